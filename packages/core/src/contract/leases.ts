import type { ClaimId, ExecutionId, FlowId, InstanceId } from '../ids/index.js'
import type { Kind, LaneId, Namespace, WorkerId } from '../names.js'
import type { RecordedOutcome } from '../state/vector.js'
import type { AttemptType, EndedBy, StepRecord, UpstreamResult } from './attempts.js'
import type { BudgetDemand } from './budgets.js'
import type { Bytes, Failure, ItemError, Scoped, WorkerScoped } from './conventions.js'
import type { CancelCause, Tags } from './executions.js'
import type { Resumption } from './suspensions.js'

/** Time-boxed, renewable, fenced ownership of attempts: what workers live on. */
export interface LeaseOperations {
  /**
   * Lease up to `max` claimable executions that the worker serves, best first, each as a new attempt (or the interrupted
   * one going on): epoch + 1, a fresh lease id. Waits up to `waitMs` for work.
   * Atomic per execution. Idempotent by (instance, `claimId`): a repeat of the last one answers the leases it got, as far
   * as they are still held. Nothing of a paused or disabled lane, nor a member of a cancelling flow (but for its `always`
   * nodes), is handed out after the call that paused or cancelled has answered. One round trip when there is work.
   *
   * Work that names quotas or budgets is leased only with all of its slots, rate units and reservations: several are taken
   * in one order, and a refusal gives back those taken before. It parks the admission key: the refused head shows
   * `blocked_by_quota` or `blocked_by_budget`, and nothing of the key is looked at until it is woken. Heads of equal
   * effective priority are taken in turn.
   */
  claim(params: ClaimRequest): Promise<ClaimOutcome>

  /** Extend leases; never shortens one. Atomic per item, idempotent. One round trip for the batch. */
  renew(params: RenewLeases): Promise<{ readonly items: readonly RenewOutcome[] }>

  /**
   * End attempts, and their executions, as success. Atomic per item; joins see the ends of one call together. Idempotent:
   * the holder's repeat answers what it answered first, whatever its payload. With `next`, claims in the same round trip
   * (finish-and-fetch).
   */
  complete(params: CompleteLeases): Promise<FinishResult<CompleteOutcome>>

  /** End attempts as failure; the retry policy, or the item's wish, decides what follows. As `complete` in all else. */
  fail(params: FailLeases): Promise<FinishResult<FailOutcome>>

  /**
   * Give leases back and keep the attempts until a time: then the same attempt goes on in any worker.
   * Atomic per item. Idempotent for the holder.
   */
  delay(params: DelayLeases): Promise<{ readonly items: readonly DelayOutcome[] }>

  /**
   * Hand back work that was not started: its attempt is taken back, its place and age are kept, the epoch stays raised.
   * Atomic per item. Idempotent for the holder.
   */
  yield(params: YieldLeases): Promise<{ readonly items: readonly YieldOutcome[] }>

  /** An operator takes a lease away, as if it had expired now. Atomic. Throws `execution_not_found`. */
  revoke(params: RevokeLease): Promise<RevokeOutcome>
}

/** Opaque, versioned, bound to the worker instance; not a secret, and grants nothing that the caller may not do anyway. */
export type Handle = string

export interface ClaimRequest extends WorkerScoped {
  readonly claimId: ClaimId
  readonly workerId: WorkerId
  readonly instanceId: InstanceId
  readonly lanes: readonly LaneId[]
  readonly kinds: readonly Kind[]
  readonly capabilities: readonly string[]
  readonly max: number
  readonly leaseTtlMs: number
  /** How long to wait for work; 0 (default) answers at once. */
  readonly waitMs?: number | undefined
  /** Ends the wait early; what was leased by then is still answered. */
  readonly signal?: AbortSignal | undefined
}

export type ClaimOutcome =
  | { readonly outcome: 'claimed'; readonly leases: readonly ClaimedExecution[] }
  /** `nextDueAtMs`: when something delayed that this worker serves is next due, as far as is known. */
  | { readonly outcome: 'empty'; readonly nextDueAtMs?: number | undefined }

/** A leased attempt, with all that its handler needs. */
export interface ClaimedExecution {
  readonly executionId: ExecutionId
  readonly namespace: Namespace
  readonly flowId: FlowId | null
  readonly name: string | null
  readonly kind: Kind
  readonly lane: LaneId
  readonly priority: number
  readonly input: Bytes | null
  readonly attemptIndex: number
  readonly attemptType: AttemptType
  readonly generation: number
  readonly handle: Handle
  readonly leaseExpiresAtMs: number
  readonly attemptDeadlineAtMs: number | null
  /** Store time of the claim, from which a worker counts its own timers. */
  readonly claimedAtMs: number
  /** By `as` name, as the step that decided the group saw them; page the rest with `attempts.loadUpstream`. */
  readonly upstream: readonly UpstreamResult[]
  readonly upstreamTruncated: boolean
  /** The journal of earlier attempts; page the rest with `attempts.loadSteps`. */
  readonly steps: readonly StepRecord[]
  readonly stepsTruncated: boolean
  /** How its last suspension was resumed, for this attempt and later ones, until the next suspension. */
  readonly resumption: Resumption | null
  /** With what was reserved of each. */
  readonly budgets: readonly BudgetDemand[]
  readonly tags: Tags
  readonly traceContext: string | null
}

/**
 * Why a worker's write was not accepted, in the order in which it is checked. `stale_lease`: another lease holds it, or
 * it is unknown to the record. `execution_not_active`: it has ended, with what is recorded. `attempt_timed_out`,
 * `lease_revoked`: the attempt is closed for good. `lease_expired`: reaped; only `complete` and `fail` may still come.
 */
export type FencingRefusal =
  | { readonly outcome: 'stale_lease' }
  | { readonly outcome: 'lease_expired' }
  | { readonly outcome: 'lease_revoked' }
  | { readonly outcome: 'attempt_timed_out' }
  | { readonly outcome: 'execution_not_active'; readonly recorded: RecordedEnd }

export interface RecordedEnd {
  /** What ended its last attempt; `null` when it never had one, or that one hasn't ended. */
  readonly endedBy: EndedBy | null
  /** The execution's recorded outcome; `none` while it may run again. */
  readonly terminalOutcome: RecordedOutcome | 'none'
}

export interface RenewLeases extends WorkerScoped {
  readonly items: readonly { readonly handle: Handle; readonly leaseTtlMs: number }[]
}

export type RenewOutcome =
  | {
      readonly outcome: 'renewed'
      readonly expiresAtMs: number
      /** Someone asked to cancel: stop before the grace ends. */
      readonly cancelRequested: { readonly graceEndsAtMs: number; readonly cause: CancelCause } | null
    }
  | FencingRefusal
  | ItemError

export interface CompleteLeases extends WorkerScoped {
  readonly items: readonly { readonly handle: Handle; readonly result: Bytes | null }[]
  readonly next?: ClaimRequest | undefined
}

export interface FinishResult<Outcome> {
  readonly items: readonly Outcome[]
  /** What `next` claimed. */
  readonly claimed: readonly ClaimedExecution[]
}

export type CompleteOutcome =
  /** `late`: it came after the lease was reaped and before the next claim. */
  { readonly outcome: 'completed'; readonly late: boolean } | FencingRefusal | ItemError

export interface FailLeases extends WorkerScoped {
  readonly items: readonly FailLease[]
  readonly next?: ClaimRequest | undefined
}

export interface FailLease {
  readonly handle: Handle
  readonly failure: Failure
  /** `policy` (default); `never`; or at a store time / after a pause instead of the computed backoff (max attempts still hold). */
  readonly retry?: 'policy' | 'never' | { readonly atMs: number } | { readonly afterMs: number } | undefined
}

export type FailOutcome =
  | { readonly outcome: 'retrying'; readonly retryAtMs: number; readonly late: boolean }
  | { readonly outcome: 'failed'; readonly late: boolean }
  /** It was to be cancelled anyway, so no retry follows. */
  | { readonly outcome: 'cancelled'; readonly late: boolean }
  | FencingRefusal
  | ItemError

export interface DelayLeases extends WorkerScoped {
  readonly items: readonly { readonly handle: Handle; readonly untilMs: number }[]
}

export type DelayOutcome =
  | { readonly outcome: 'delayed'; readonly untilMs: number }
  | { readonly outcome: 'cancelled' }
  | FencingRefusal
  | ItemError

export interface YieldLeases extends WorkerScoped {
  readonly items: readonly { readonly handle: Handle }[]
}

export type YieldOutcome =
  | { readonly outcome: 'yielded' }
  | { readonly outcome: 'cancelled' }
  /**
   * Progress, steps, frames or waitpoints are recorded, a suspension was already satisfied, or the attempt went on from a
   * delay or a suspension: complete, fail or delay it.
   */
  | { readonly outcome: 'attempt_has_effects' }
  | FencingRefusal
  | ItemError

export interface RevokeLease extends Scoped {
  readonly id: ExecutionId
  readonly reason?: string | undefined
}

export type RevokeOutcome =
  /** What the execution is now: claimable again, failed (`max_reclaims_exceeded`) or cancelled. */
  | { readonly outcome: 'revoked'; readonly next: 'reclaimable' | 'failed' | 'cancelled' }
  | { readonly outcome: 'execution_not_active'; readonly recorded: RecordedEnd }
