import type {
  ClientBackend,
  ExecutionSubmission,
  Namespace,
  SubmitExecutionOutcome,
  SubmitterBackend,
  WebhookKeeper,
} from '@flowfabric/core'
import type { CallBatcher } from '../calls/call-batcher.js'
import type { RetryBounds } from '../calls/call-safely.js'
import type { Explain, Links } from '../connection/connection.js'
import type { Codec } from '../payload/codec.js'
import type { Ends } from './ends.js'
import type { Placement } from './placement.js'

/** What a client and its handles share. */
export interface ClientCore {
  readonly backend: ClientBackend
  /** Where it submits to: the same, unless it is bound to a transaction. */
  readonly submitter: SubmitterBackend
  /** How often a submit of a flow is tried (default: as every call). */
  readonly bounds?: RetryBounds | undefined
  readonly explain: Explain | undefined
  readonly namespace: Namespace
  /** Whose its signals are, where no credentials say so. */
  readonly subject: string | null
  readonly links: Links
  readonly webhooks: WebhookKeeper | undefined
  readonly codec: Codec
  readonly ends: Ends
  readonly placement: Placement
  readonly submits: CallBatcher<ExecutionSubmission, SubmitExecutionOutcome>
}
