import type { ClaimedExecution, CompleteOutcome, FailOutcome, SuspendOutcome } from '@flowfabric/core'
import type { AbortReason } from './abort-reason.js'

/** Told what a worker does, as it does it; for metrics, displays and tests. It must be quick, and must not throw. */
export interface WorkerObserver {
  /** A handler begins. */
  readonly started?: ((claimed: ClaimedExecution) => void) | undefined
  /** The store has recorded the end of an attempt. */
  readonly recorded?: ((claimed: ClaimedExecution, outcome: RecordedOutcome) => void) | undefined
  /** The attempt is not this worker's any more; what its handler still does counts for nothing. */
  readonly lost?: ((claimed: ClaimedExecution, reason: AbortReason) => void) | undefined
}

export type RecordedOutcome =
  | Extract<CompleteOutcome, { outcome: 'completed' }>
  | Extract<FailOutcome, { outcome: 'retrying' | 'failed' | 'cancelled' }>
  | { readonly outcome: 'delayed'; readonly untilMs: number }
  | Extract<SuspendOutcome, { outcome: 'suspended' }>
