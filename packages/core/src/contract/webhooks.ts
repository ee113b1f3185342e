import type { ExecutionId, FlowId, WebhookId } from '../ids/index.js'
import type { LaneId, Namespace } from '../names.js'
import { publicStates } from '../state/public-state.js'
import type { Page, PageRequest, ScanRequest, ScanResult, Scoped } from './conventions.js'
import type { EngineEvent } from './events.js'
import { flowStates } from './flows.js'

/**
 * Signed, retried deliveries of chosen events to an address.
 *
 * A webhook follows the feed of its namespace from its creation on. What it chooses becomes a **delivery**, whose id follows
 * from the webhook and the event, and which is tried until it arrives or was tried often enough. Each event is delivered at
 * least once, as long as the feed keeps it until its turn. First tries begin in the feed's order; what is retried, or under way
 * at the same time, may arrive in another. Atomic are the writes of the webhook's record, each of which is one step: its place
 * in the feed moves in the write that takes the events in. All of it is by the store's time.
 */
export interface WebhookOperations {
  /**
   * Create or change. What waits goes to the address that it has by then; the filter chooses among what comes. The first
   * secret is derived from the key, which no later `put` changes. Idempotent by id.
   * Throws `invalid_webhook_url`, `too_many_records`, `contention`.
   */
  put(params: PutWebhook): Promise<{ readonly outcome: 'created' | 'changed'; readonly webhook: Webhook }>

  /** Throws `webhook_not_found`. */
  get(params: GetWebhook): Promise<{ readonly outcome: 'found'; readonly webhook: Webhook }>

  /** Newest first. Throws `invalid_cursor`. */
  list(params: ListWebhooks): Promise<Page<Webhook>>

  /** What is under way may still arrive. Idempotent. */
  delete(params: GetWebhook): Promise<{ readonly outcome: 'deleted' | 'not_found' }>

  /**
   * Stop delivering, or go on where it stopped, as far back as the feed goes. Deliveries that wait are due at once then, and
   * it counts as not failing. Idempotent. Throws `webhook_not_found`.
   */
  setState(params: SetWebhookState): Promise<{ readonly outcome: WebhookState | 'unchanged' }>

  /**
   * Another secret; those before it sign beside it until the overlap has passed. Not idempotent: a repeat makes another one.
   * Throws `webhook_not_found`, `too_many_records` when more than five would sign.
   */
  rotateSecret(
    params: RotateWebhookSecret,
  ): Promise<{ readonly outcome: 'rotated'; readonly webhook: Webhook }>

  /**
   * Hand out the deliveries of a partition of the quota family that are due, each to one caller at a time, and record how
   * earlier ones went. The caller makes the request; what is handed out and not reported within the lease is handed out again,
   * under the same id. A report counts for the attempt that it names, once.
   */
  deliverDue(params: DeliverDue): Promise<ScanResult<WebhookDeliveryItem>>

  /**
   * Those that wait, the last 100 that were given up and the last 20 that arrived, the latest event first.
   * Throws `webhook_not_found`, `invalid_cursor`.
   */
  listDeliveries(params: ListDeliveries): Promise<Page<WebhookDelivery>>

  /**
   * Deliver again, under the same id, what was given up or has arrived and is still listed; without an id, all that was given
   * up. Tries count from 0 again. Throws `webhook_not_found`, `webhook_delivery_not_found`.
   */
  redeliver(
    params: RedeliverWebhook,
  ): Promise<{ readonly outcome: 'redelivering' | 'already_pending'; readonly count: number }>
}

export const webhookStates = ['active', 'disabled'] as const
export type WebhookState = (typeof webhookStates)[number]

/** `failing`: for 5 days nothing arrived. `gone`: the receiver answered 410. */
export const webhookDisabledCauses = ['operator', 'failing', 'gone'] as const
export type WebhookDisabledCause = (typeof webhookDisabledCauses)[number]

/** What a delivery's body names in `type`: the kind of the event, and what became of its subject. */
export const webhookEventNames: readonly string[] = [
  ...publicStates.map((state) => `execution.${state}`),
  ...flowStates.map((state) => `flow.${state}`),
  ...['accepted', 'satisfied', 'buffered'].map((outcome) => `signal.${outcome}`),
  ...['soft_breach', 'hard_breach', 'reset'].map((change) => `budget.${change}`),
]

/** All given fields must match. */
export interface WebhookFilter {
  readonly executionId?: ExecutionId | undefined
  readonly flowId?: FlowId | undefined
  readonly lane?: LaneId | undefined
  /** Any of them: `execution.completed`, or `execution` for all of its kind. */
  readonly names?: readonly string[] | undefined
}

export interface PutWebhook extends Scoped, Reasoned {
  readonly webhookId: WebhookId
  /** `https:` or `http:`, without a user, a password and a fragment; at most 2048 characters. */
  readonly url: string
  /** For people: at most 256 bytes. */
  readonly label?: string | undefined
  readonly filter?: WebhookFilter | undefined
  /** 1…20, default 12: about a day. */
  readonly attemptsMax?: number | undefined
  /** Id of the signing key from which its first secret is derived. */
  readonly keyId: string
}

export interface GetWebhook extends Scoped {
  readonly webhookId: WebhookId
}

interface Reasoned {
  /** Why, for the record. */
  readonly reason?: string | undefined
}

export interface ListWebhooks extends Scoped, PageRequest {}

export interface SetWebhookState extends GetWebhook, Reasoned {
  readonly state: WebhookState
}

export interface RotateWebhookSecret extends GetWebhook, Reasoned {
  readonly keyId: string
  /** For how long earlier secrets still sign: default 24 h, at most 7 days. */
  readonly overlapMs?: number | undefined
}

export interface ListDeliveries extends GetWebhook, PageRequest {
  readonly state?: WebhookDelivery['state'] | undefined
}

export interface RedeliverWebhook extends GetWebhook, Reasoned {
  readonly deliveryId?: string | undefined
}

/** A secret, without the secret: it is derived from the key's by whoever signs. */
export interface WebhookSecretRef {
  /** From 1 on. */
  readonly number: number
  readonly keyId: string
  readonly createdAtMs: number
  /** `null`: the latest. */
  readonly signsUntilMs: number | null
}

export interface Webhook {
  readonly id: WebhookId
  readonly url: string
  readonly label: string | null
  readonly filter: WebhookFilter
  readonly attemptsMax: number
  readonly state: WebhookState
  readonly disabledBecause: WebhookDisabledCause | null
  readonly disabledAtMs: number | null
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** The latest first. One whose time is over stays listed until the next rotation. */
  readonly secrets: readonly WebhookSecretRef[]
  /** Deliveries that wait or are under way. */
  readonly pending: number
  /** Deliveries that were given up and are still listed. */
  readonly failed: number
  readonly lastDeliveredAtMs: number | null
  /** Since when nothing arrived; `null` when the last try did. */
  readonly failingSinceMs: number | null
  readonly lastFailure: {
    readonly atMs: number
    readonly failure: DeliveryFailure
    readonly httpStatus: number | null
  } | null
  /** When events were lost last, because the feed had not kept them until their turn. */
  readonly missedAtMs: number | null
}

/**
 * Why a try failed. `status`: an answer that is none of 200…299. `address_refused`: the address, or what its name resolves to,
 * is none that deliveries may go to. `no_secret`: the process lacks the signing key. `unreported`: nobody knows.
 */
export const deliveryFailures = [
  'status',
  'redirect',
  'timed_out',
  'connection_failed',
  'address_refused',
  'no_secret',
  'unreported',
] as const
export type DeliveryFailure = (typeof deliveryFailures)[number]

export interface DeliverDue extends ScanRequest {
  readonly reports: readonly DeliveryReport[]
  /** Default 60 s. */
  readonly leaseMs?: number | undefined
  /** Also looks into the feed for webhooks whose next look is within this, because it grew: default 0, at most 5 s. */
  readonly withinMs?: number | undefined
  /** Only records. */
  readonly onlyReports?: boolean | undefined
}

/** How a try went. `gone`: the receiver wants nothing any more; its webhook is disabled. */
export interface DeliveryReport {
  readonly namespace: Namespace
  readonly webhookId: WebhookId
  readonly deliveryId: string
  /** As it was handed out. */
  readonly attempt: number
  readonly outcome: 'delivered' | 'failed' | 'gone'
  readonly failure?: DeliveryFailure | undefined
  readonly httpStatus?: number | undefined
  /** The receiver asks for so long a pause. */
  readonly retryAfterMs?: number | undefined
}

export interface WebhookDelivery {
  /** The same for every try, so that the receiver can tell repeats. */
  readonly deliveryId: string
  readonly webhookId: WebhookId
  readonly event: EngineEvent
  readonly state: 'pending' | 'delivered' | 'given_up'
  readonly attemptCount: number
  /** `null` while it is under way, and at its end. */
  readonly nextAttemptAtMs: number | null
  readonly lastFailure: DeliveryFailure | null
  readonly lastHttpStatus: number | null
  readonly endedAtMs: number | null
}

/** A delivery with where it goes. */
export interface HandedDelivery extends Pick<WebhookDelivery, 'deliveryId' | 'webhookId' | 'event'> {
  readonly namespace: Namespace
  /** From 1 on. */
  readonly attempt: number
  readonly url: string
  readonly secrets: readonly WebhookSecretRef[]
}

export const deliverDueOutcomes = ['handed_out', 'disabled', 'missed_events', 'error'] as const
export type WebhookDeliveryItem =
  | ({ readonly outcome: 'handed_out' } & HandedDelivery)
  | {
      readonly outcome: 'disabled'
      readonly namespace: Namespace
      readonly webhookId: WebhookId
      readonly because: WebhookDisabledCause
    }
  | { readonly outcome: 'missed_events'; readonly namespace: Namespace; readonly webhookId: WebhookId }
  | {
      readonly outcome: 'error'
      readonly namespace: Namespace
      readonly webhookId: WebhookId
      readonly code: string
    }
