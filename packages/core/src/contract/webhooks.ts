import type { WebhookId } from '../ids/index.js'
import type { Page, PageRequest, ScanRequest, ScanResult, Scoped } from './conventions.js'
import type { EngineEvent, EventFilter } from './events.js'

/** Signed, retried deliveries of chosen events to an address. */
export interface WebhookOperations {
  /** Create or change. It delivers events from then on. Idempotent by id. */
  put(params: PutWebhook): Promise<{ readonly outcome: 'created' | 'changed'; readonly webhook: Webhook }>

  list(params: ListWebhooks): Promise<Page<Webhook>>

  /** What is under way may still arrive. Idempotent. */
  delete(params: GetWebhook): Promise<{ readonly outcome: 'deleted' | 'not_found' }>

  /**
   * Hand out the deliveries that are due, each to one caller at a time, and record how earlier ones went. The caller makes
   * the request; what is handed out and never reported is handed out again.
   */
  deliverDue(params: DeliverDue): Promise<ScanResult<WebhookDelivery>>

  /** Newest first. Throws `webhook_not_found`. */
  listDeliveries(params: ListDeliveries): Promise<Page<WebhookDelivery>>
}

export interface WebhookSettings {
  readonly url: string
  readonly filter: EventFilter
  /** Id of the signing key; its secret comes from configuration. */
  readonly keyId: string
  readonly attemptsMax: number
}

export interface PutWebhook extends Scoped, WebhookSettings {
  readonly webhookId: WebhookId
}

export interface GetWebhook extends Scoped {
  readonly webhookId: WebhookId
}

export interface Webhook extends WebhookSettings {
  readonly id: WebhookId
  readonly createdAtMs: number
  /** Deliveries that wait or are retried. */
  readonly pending: number
  readonly lastFailure: string | null
}

export interface ListWebhooks extends Scoped, PageRequest {}

export interface DeliverDue extends ScanRequest {
  readonly reports: readonly DeliveryReport[]
}

export interface DeliveryReport {
  readonly deliveryId: string
  readonly outcome: 'delivered' | 'failed'
  readonly httpStatus?: number | undefined
  readonly message?: string | undefined
}

export interface WebhookDelivery {
  /** The same for every try, so that the receiver can tell repeats. */
  readonly deliveryId: string
  readonly webhookId: WebhookId
  readonly event: EngineEvent
  readonly state: 'pending' | 'delivered' | 'given_up'
  readonly attemptCount: number
  readonly nextAttemptAtMs: number | null
  readonly lastHttpStatus: number | null
}

export interface ListDeliveries extends GetWebhook, PageRequest {}
