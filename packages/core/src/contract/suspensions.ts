import type { ExecutionId, FlowId, SignalId, SuspensionId, WaitpointId } from '../ids/index.js'
import type { Namespace } from '../names.js'
import type { RecordedOutcome } from '../state/vector.js'
import type { Bytes, ItemError, Page, PageRequest, Scoped, WorkerScoped } from './conventions.js'
import type { FencingRefusal, Handle } from './leases.js'

/** Executions that released their lease on purpose and wait, and the signals that resume them. */
export interface SuspensionOperations {
  /**
   * Release leases and wait for a condition; when it holds, the same attempt goes on in any worker. Signals that arrived
   * early and children that have ended count at once: when the condition holds by them, or when this suspension has been
   * resumed before, the answer is `already_satisfied` and the lease is kept. One that is to be cancelled anyway ends.
   * Atomic per item, fenced; idempotent for the holder, and by suspension id: until another one begins the answer is how it
   * was resumed, and after that it sees the signals again that resumed it. One round trip, and another one for every 256
   * early signals that have to be looked at.
   * Item errors: `invalid_condition`, `condition_too_large`, `condition_unsatisfiable`, `invalid_matcher`,
   * `waitpoint_not_found` (the condition names one that this execution hasn't), `too_many_waitpoints`,
   * `partition_mismatch`; `execution_not_found` never, since a handle of nothing is `stale_lease`.
   */
  suspend(params: Suspend): Promise<{ readonly items: readonly SuspendOutcome[] }>

  /**
   * Name a point to wait on, ahead of the suspension, so that its token can be handed out. With `handle` it is fenced as a
   * worker's write; without, it may be made for any execution that has not ended. Atomic, idempotent by id.
   * Throws `execution_not_found`, `too_many_waitpoints`, `partition_mismatch`.
   */
  createWaitpoint(params: CreateWaitpoint): Promise<CreateWaitpointOutcome>

  /** Take no more signals. Those that came count on. Atomic, idempotent. Throws `waitpoint_not_found`. */
  closeWaitpoint(
    params: GetWaitpoint,
  ): Promise<{ readonly outcome: 'set'; readonly previous: WaitpointState }>

  /**
   * A waitpoint by its id alone, and whose it is: for the process that verifies its token, which names no namespace.
   * Offered to nobody over HTTP. One round trip. Throws `waitpoint_not_found`.
   */
  findWaitpoint(params: FindWaitpoint): Promise<FoundWaitpoint>

  /** The waitpoints of an execution, oldest first. Throws `execution_not_found`. */
  listWaitpoints(params: ListWaitpoints): Promise<Page<Waitpoint>>

  /**
   * Deliver a signal. Its token was verified by the process that serves the call. Judged against the suspension that
   * stands, or kept for the one to come. Atomic; idempotent by waitpoint and idempotency key for 24 h, but for
   * `not_matched`, `waitpoint_closed` and `too_many_signals`, which keep nothing. One round trip, a second one when a
   * suspension waits on the waitpoint.
   * Throws `waitpoint_not_found`, `payload_too_large`, `payload_opaque` (the condition looks into the payload, and it is
   * no JSON), `retry_exhausted`.
   */
  deliverSignal(params: DeliverSignal): Promise<DeliverSignalOutcome>

  /** The signals that were kept for an execution, in the order of their arrival. Throws `execution_not_found`. */
  listSignals(params: ListSignals): Promise<Page<Signal>>
}

/**
 * What a suspension waits for: one tree, its state kept per node. At most 4 deep, 64 nodes. It must be able to become true:
 * an empty `any_of`, or more waitpoints to be counted than are named, is `condition_unsatisfiable`. How it is judged:
 * `decisions/condition.ts`.
 */
export type ResumeCondition =
  /** A signal that matches came to the waitpoint. */
  | {
      readonly kind: 'signal'
      readonly waitpointId: WaitpointId
      readonly match?: SignalMatch | undefined
    }
  | { readonly kind: 'all_of'; readonly of: readonly ResumeCondition[] }
  | { readonly kind: 'any_of'; readonly of: readonly ResumeCondition[] }
  | {
      readonly kind: 'count'
      /** 1…1000; over all nodes of the tree at most 1000. */
      readonly n: number
      /** What is counted: signals, different waitpoints that got one, or different sources. */
      readonly of: 'signals' | 'waitpoints' | 'sources'
      readonly waitpointIds: readonly WaitpointId[]
      readonly match?: SignalMatch | undefined
    }
  /**
   * The end, whatever it was, of an execution or a flow of the same namespace. One that doesn't exist (any more) counts as
   * ended: `not_found`. So submit it before.
   */
  | { readonly kind: 'child'; readonly id: ExecutionId | FlowId }

/** All given parts must match. A payload predicate needs a plaintext JSON payload: others never match it. */
export interface SignalMatch {
  readonly name?: string | undefined
  readonly payload?: PayloadMatcher | undefined
}

/**
 * A small JSON matcher; no code. `path` is a JSON pointer (RFC 6901) into the payload; '' is all of it. What a pointer
 * doesn't find equals nothing and is neither above nor below. Numbers are compared as IEEE doubles, texts by their code
 * units, lists in order, objects without order. An empty `and` or `or` is refused. At most 4 deep, 64 nodes.
 */
export type PayloadMatcher =
  | { readonly op: 'equals'; readonly path: string; readonly value: unknown }
  | { readonly op: 'exists'; readonly path: string }
  /** Holds for numbers only. */
  | { readonly op: 'above' | 'below'; readonly path: string; readonly value: number }
  | { readonly op: 'and' | 'or'; readonly of: readonly PayloadMatcher[] }
  | { readonly op: 'not'; readonly of: PayloadMatcher }

export const suspensionReasons = ['signal', 'approval', 'callback', 'tool_result', 'child'] as const
/** Shows as the blocking reason `waiting_for_<reason>`. */
export type SuspensionReason = (typeof suspensionReasons)[number]

export const suspensionTimeoutBehaviours = [
  'fail',
  'cancel',
  'expire',
  'auto_resume',
  'auto_resume_with_timeout_signal',
  'escalate',
] as const
/**
 * What happens when the condition did not hold in time. `fail`, `cancel` and `expire` end the execution, without a retry:
 * as `failed` or `expired` with the category `suspension_timeout`, or as `cancelled` with that cause. `auto_resume` goes on
 * with the signals that have counted; `auto_resume_with_timeout_signal` with one more, named `timeout`, that no waitpoint
 * got. `escalate` leaves it suspended and shows `paused_by_operator`: a condition that holds, `executions.release`, a
 * cancel or a deadline moves it on.
 */
export type SuspensionTimeoutBehaviour = (typeof suspensionTimeoutBehaviours)[number]

export interface Suspend extends WorkerScoped {
  readonly items: readonly SuspendItem[]
}

export interface SuspendItem {
  readonly handle: Handle
  /** In the execution's partition. */
  readonly suspensionId: SuspensionId
  readonly reason: SuspensionReason
  readonly condition: ResumeCondition
  /** Waitpoints that are created in the same step, but for those that are there already. At most 64. */
  readonly waitpoints?: readonly NewWaitpoint[] | undefined
  readonly timeout?: SuspensionTimeout | undefined
  readonly resumePolicy?: ResumePolicy | undefined
}

export interface SuspensionTimeout {
  readonly afterMs: number
  readonly behaviour: SuspensionTimeoutBehaviour
}

export interface ResumePolicy {
  /** How long to wait after the condition held (or after the timeout that resumes it); not when it is already satisfied. */
  readonly delayMs?: number | undefined
  /** Close the waitpoints that the condition names when it resumes (default `true`). */
  readonly closeWaitpoints?: boolean | undefined
}

export type SuspendOutcome =
  | {
      readonly outcome: 'suspended'
      readonly suspensionId: SuspensionId
      readonly timesOutAtMs: number | null
    }
  /** The lease is kept: it holds by what came early, or was resumed before. */
  | { readonly outcome: 'already_satisfied'; readonly resumption: Resumption }
  /** It was to be cancelled anyway. */
  | { readonly outcome: 'cancelled' }
  /** The id is another execution's waitpoint, or the name another waitpoint's of this one. */
  | { readonly outcome: 'waitpoint_conflict'; readonly waitpointId: WaitpointId }
  | FencingRefusal
  | ItemError

export const resumedBys = ['condition', 'timeout', 'operator'] as const
export type ResumedBy = (typeof resumedBys)[number]

/**
 * How a suspension was resumed. Kept until the next one begins, so that a claim after a crash carries it too: what a handler
 * needs longer belongs in its journal.
 */
export interface Resumption {
  readonly suspensionId: SuspensionId
  readonly by: ResumedBy
  readonly atMs: number
  /**
   * The signals by which it held, or that had counted until then, in the order of their arrival; at most 256 KiB of
   * payloads, the rest is paged with `listSignals({ suspensionId })`.
   */
  readonly signals: readonly Signal[]
  readonly signalsTruncated: boolean
  /** The ends by which it held, or that had come until then, in the order of the condition. */
  readonly children: readonly ChildEnd[]
}

/** How a child ended; of a flow `success` is `completed`. `not_found`: there is none of this id. */
export interface ChildEnd {
  readonly id: ExecutionId | FlowId
  /** Of the child; 0 for `not_found`. */
  readonly generation: number
  readonly outcome: RecordedOutcome | 'not_found'
}

export interface NewWaitpoint {
  /** In the execution's partition. */
  readonly waitpointId: WaitpointId
  /** Unique in the execution. */
  readonly name: string
  /** From then on it takes no more signals. */
  readonly expiresAtMs?: number | undefined
}

export interface CreateWaitpoint extends Scoped, NewWaitpoint {
  readonly executionId: ExecutionId
  readonly handle?: Handle | undefined
}

export type CreateWaitpointOutcome =
  | { readonly outcome: 'created'; readonly waitpoint: Waitpoint }
  /** It is there under this id and name; what else was asked for is not compared. */
  | { readonly outcome: 'duplicate'; readonly waitpoint: Waitpoint }
  /** The id is another execution's waitpoint, or the name another waitpoint's of this one. */
  | { readonly outcome: 'waitpoint_conflict' }
  | { readonly outcome: 'execution_terminal'; readonly terminalOutcome: RecordedOutcome }
  | FencingRefusal

export const waitpointStates = ['open', 'closed', 'expired'] as const
/**
 * `closed`: by `closeWaitpoint`, by its suspension's resuming, or because the execution has ended (a replay opens those
 * again). `expired`: it was open when its time came.
 */
export type WaitpointState = (typeof waitpointStates)[number]

/** The token is made by the process that serves it; a store never sees one, nor a secret. */
export interface Waitpoint {
  readonly id: WaitpointId
  readonly executionId: ExecutionId
  readonly name: string
  readonly state: WaitpointState
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  /** Signals that it keeps. */
  readonly signalCount: number
}

export interface GetWaitpoint extends Scoped {
  readonly waitpointId: WaitpointId
}

/** Of any namespace. */
export interface FindWaitpoint {
  readonly waitpointId: WaitpointId
}

export interface FoundWaitpoint {
  readonly outcome: 'found'
  readonly namespace: Namespace
  readonly waitpoint: Waitpoint
}

export interface ListWaitpoints extends Scoped, PageRequest {
  readonly executionId: ExecutionId
}

export interface DeliverSignal extends GetWaitpoint {
  /** In the waitpoint's partition. */
  readonly signalId: SignalId
  readonly name: string
  readonly payload: Bytes | null
  /** Kept 24 h. */
  readonly idempotencyKey: string
  /** The credential's subject, or what was signed into the token; `null` counts as one source. Never from a body. */
  readonly source: string | null
}

export type DeliverSignalOutcome =
  /** It counts for the suspension that stands. */
  | { readonly outcome: 'accepted'; readonly signalId: SignalId }
  /** This one resumed the execution. */
  | { readonly outcome: 'satisfied'; readonly signalId: SignalId }
  /** Kept for a suspension to come: none waits on the waitpoint, or the one that does needs no more of this. */
  | { readonly outcome: 'buffered'; readonly signalId: SignalId }
  /** The key was used before: with this signal. */
  | { readonly outcome: 'duplicate'; readonly signalId: SignalId }
  /** A suspension waits on the waitpoint, but not for this. Nothing is kept. */
  | { readonly outcome: 'not_matched' }
  | { readonly outcome: 'waitpoint_closed' }
  /** It would be buffered, and the waitpoint keeps 10 000 already. */
  | { readonly outcome: 'too_many_signals' }

export interface Signal {
  readonly id: SignalId
  /** `null` for a `timeout` that the engine sent, whose id is the suspension's. */
  readonly waitpointId: WaitpointId | null
  readonly name: string
  readonly payload: Bytes | null
  readonly source: string | null
  readonly receivedAtMs: number
  /** The suspension that it resumed, which alone sees it from then on; `null` while it waits for one. */
  readonly suspensionId: SuspensionId | null
}

export interface ListSignals extends Scoped, PageRequest {
  readonly executionId: ExecutionId
  readonly waitpointId?: WaitpointId | undefined
  /** Only those that resumed this suspension. */
  readonly suspensionId?: SuspensionId | undefined
}

/** A suspension that stands, for people. */
export interface SuspensionView {
  readonly id: SuspensionId
  readonly reason: SuspensionReason
  readonly condition: ResumeCondition
  readonly sinceMs: number
  readonly timesOutAtMs: number | null
  readonly timeoutBehaviour: SuspensionTimeoutBehaviour | null
  /** Its timeout has passed, and it waits for an operator too. */
  readonly escalated: boolean
}

/**
 * Who called a child, and what becomes of the child when its parent is stopped (ends as `cancelled`, `expired` or
 * `skipped`): unless `detached` it is cancelled too, cause `parent`. A parent that doesn't exist, or is another
 * namespace's, is not told, and stops nothing.
 */
export interface ParentLink {
  readonly id: ExecutionId
  readonly detached: boolean
}
