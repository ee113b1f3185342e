import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names a webhook. */
export type WebhookId = Brand<string, 'WebhookId'>

const grammar = createUuidIdGrammar<WebhookId>('webhook')

/** Parses the text of a UUID, lower case. Throws `invalid_webhook_id`. */
export const parseWebhookId: (text: string) => WebhookId = grammar.parse

/** Whether the value is the text of a WebhookId. */
export const isWebhookId: (value: unknown) => value is WebhookId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintWebhookId: () => WebhookId = grammar.mint
