import type {
  ClientBackend,
  ExecutionSubmission,
  Namespace,
  SubmitExecutionOutcome,
  WebhookKeeper,
} from '@flowfabric/core'
import type { CallBatcher } from '../calls/call-batcher.js'
import type { Explain, Links } from '../connection/connection.js'
import type { Codec } from '../payload/codec.js'
import type { Ends } from './ends.js'
import type { Placement } from './placement.js'

/** What a client and its handles share. */
export interface ClientCore {
  readonly backend: ClientBackend
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
