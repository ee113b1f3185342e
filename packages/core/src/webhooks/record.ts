import type {
  Webhook,
  WebhookDelivery,
  WebhookFilter,
  WebhookSecretRef,
  WebhookState,
} from '../contract/webhooks.js'
import type { WebhookId } from '../ids/index.js'
import type { Namespace } from '../names.js'

/** A delivery as its webhook's record keeps it. */
export interface StoredDelivery extends Omit<WebhookDelivery, 'webhookId'> {
  /** While somebody makes the request, and until when others leave it to him. */
  readonly inHandUntilMs: number | null
}

/** What its owner put. */
export interface WebhookDefinition {
  readonly url: string
  readonly label: string | null
  readonly filter: WebhookFilter
  readonly attemptsMax: number
  readonly updatedAtMs: number
  /** The latest first. Names of keys and numbers: no secret is stored. */
  readonly secrets: readonly WebhookSecretRef[]
}

/** How far a webhook has come. Each change of it is one conditional write. */
export interface WebhookProgress
  extends Pick<
    Webhook,
    'disabledBecause' | 'disabledAtMs' | 'lastDeliveredAtMs' | 'failingSinceMs' | 'lastFailure' | 'missedAtMs'
  > {
  readonly state: WebhookState
  /** Where its deliveries go on in the feed. */
  readonly cursor: string
  /** When to look into the feed again, and how long after a look that finds nothing. */
  readonly lookAtMs: number
  readonly lookEveryMs: number
  /** In the feed's order. */
  readonly pending: readonly StoredDelivery[]
  /** The last that were given up, the latest first. */
  readonly failed: readonly StoredDelivery[]
  /** The last that arrived, the latest first. */
  readonly delivered: readonly StoredDelivery[]
  readonly failuresInRow: number
}

/** A webhook as it is stored, decoded. */
export interface StoredWebhook {
  readonly namespace: Namespace
  readonly webhookId: WebhookId
  /** Raised by every write: a write names the version that it was decided on. */
  readonly version: number
  readonly createdAtMs: number
  /** When somebody has to look at it; `null` is never. */
  readonly dueAtMs: number | null
  readonly definition: WebhookDefinition
  readonly progress: WebhookProgress
}
