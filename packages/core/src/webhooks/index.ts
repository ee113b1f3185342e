export { eventNameOf } from './event-names.js'
export { formatWebhookSecret, webhookBody, webhookHeaders } from './standard-message.js'
export type {
  KeptWebhook,
  KeptWebhookOutcome,
  RotatedSecret,
  RotateKeptSecret,
  SendWebhook,
  WebhookKeeper,
} from './webhook-keeper.js'
export { createWebhookOperations } from './webhook-operations.js'
export type { WebhookParts } from './webhook-parts.js'
