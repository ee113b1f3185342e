import type {
  DeliveryReport,
  HandedDelivery,
  PutWebhook,
  RotateWebhookSecret,
  Webhook,
} from '../contract/webhooks.js'

/**
 * What a process that has the signing secrets offers beside the store's webhooks: it knows where deliveries may go, and tells
 * the secret of a webhook, once, to whoever made it. No part of a store, which never sees a secret.
 */
export interface WebhookKeeper {
  /** As `webhooks.put`, under the key that signs now. Throws `invalid_webhook_url`, `signing_key_secret_missing` too. */
  put(params: KeptWebhook): Promise<KeptWebhookOutcome>

  /** As `webhooks.rotateSecret`, under the key that signs now. Throws `signing_key_secret_missing` too. */
  rotateSecret(params: RotateKeptSecret): Promise<RotatedSecret>
}

export type KeptWebhook = Omit<PutWebhook, 'keyId'>

export interface KeptWebhookOutcome {
  readonly outcome: 'created' | 'changed'
  readonly webhook: Webhook
  /** `whsec_…`, told this once: who lost it asks for another one. `null` where it was told before. */
  readonly secret: string | null
}

export type RotateKeptSecret = Omit<RotateWebhookSecret, 'keyId'>

export interface RotatedSecret {
  readonly outcome: 'rotated'
  readonly webhook: Webhook
  readonly secret: string
}

/** How one try went; never rejects. */
export type SendWebhook = (
  delivery: HandedDelivery,
  signal: AbortSignal,
) => Promise<Pick<DeliveryReport, 'outcome' | 'failure' | 'httpStatus' | 'retryAfterMs'>>
