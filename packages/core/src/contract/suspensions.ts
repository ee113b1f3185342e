import type { ExecutionId, FlowId, SignalId, SuspensionId, WaitpointId } from '../ids/index.js'
import type { Bytes, ItemError, Page, PageRequest, Scoped, WorkerScoped } from './conventions.js'
import type { FencingRefusal, Handle } from './leases.js'

/** Executions that released their lease on purpose and wait, and the signals that resume them. */
export interface SuspensionOperations {
  /**
   * Release leases and wait for a condition; when it holds, the same attempt goes on in any worker. Signals that arrived
   * early count at once: `already_satisfied` keeps the lease. Atomic per item, fenced, idempotent for the holder.
   * Item errors: `invalid_condition`, `condition_too_large`, `condition_unsatisfiable`, `waitpoint_not_found`.
   */
  suspend(params: Suspend): Promise<{ readonly items: readonly SuspendOutcome[] }>

  /** Name a point to wait on, ahead of the suspension, so that its token can be handed out. Idempotent by id. Fenced with a handle. */
  createWaitpoint(params: CreateWaitpoint): Promise<CreateWaitpointOutcome>

  /** Take no more signals. Those that came count on. Atomic, idempotent. Throws `waitpoint_not_found`. */
  closeWaitpoint(params: GetWaitpoint): Promise<{ readonly outcome: 'closed' | 'already_closed' }>

  /** The waitpoints of an execution, oldest first. Throws `execution_not_found`. */
  listWaitpoints(params: ListWaitpoints): Promise<Page<Waitpoint>>

  /**
   * Deliver a signal. Its token was verified by the process that serves the call. Atomic; idempotent by waitpoint and
   * idempotency key. Throws `waitpoint_not_found`, `payload_too_large`.
   */
  deliverSignal(params: DeliverSignal): Promise<DeliverSignalOutcome>

  /** The signals of an execution, oldest first. Throws `execution_not_found`. */
  listSignals(params: ListSignals): Promise<Page<Signal>>
}

/** What a suspension waits for: one tree, its state kept per node. At most 4 deep, 64 nodes. */
export type ResumeCondition =
  | { readonly kind: 'signal'; readonly waitpointId: WaitpointId; readonly match?: SignalMatch | undefined }
  | { readonly kind: 'all_of'; readonly of: readonly ResumeCondition[] }
  | { readonly kind: 'any_of'; readonly of: readonly ResumeCondition[] }
  | {
      readonly kind: 'count'
      readonly n: number
      /** What is counted: signals, different waitpoints that got one, or different sources. */
      readonly of: 'signals' | 'waitpoints' | 'sources'
      readonly waitpointIds: readonly WaitpointId[]
      readonly match?: SignalMatch | undefined
    }
  /** The end of a child, an execution or a flow of the same namespace. */
  | { readonly kind: 'child'; readonly id: ExecutionId | FlowId }

/** All given parts must match. A payload predicate needs a plaintext payload. */
export interface SignalMatch {
  readonly name?: string | undefined
  readonly payload?: PayloadMatcher | undefined
}

/** A documented JSON matcher; no code. `path` is a JSON pointer into the payload. */
export type PayloadMatcher =
  | { readonly op: 'equals'; readonly path: string; readonly value: unknown }
  | { readonly op: 'exists'; readonly path: string }
  | { readonly op: 'above' | 'below'; readonly path: string; readonly value: number }
  | { readonly op: 'and' | 'or'; readonly of: readonly PayloadMatcher[] }
  | { readonly op: 'not'; readonly of: PayloadMatcher }

export const suspensionReasons = [
  'signal',
  'approval',
  'callback',
  'tool_result',
  'child',
  'operator',
] as const
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
/** `escalate` leaves it suspended, blocked by operator. */
export type SuspensionTimeoutBehaviour = (typeof suspensionTimeoutBehaviours)[number]

export interface Suspend extends WorkerScoped {
  readonly items: readonly SuspendItem[]
}

export interface SuspendItem {
  readonly handle: Handle
  readonly suspensionId: SuspensionId
  readonly reason: SuspensionReason
  readonly condition: ResumeCondition
  /** Waitpoints that are created in the same step. */
  readonly waitpoints?: readonly NewWaitpoint[] | undefined
  readonly timeout?: { readonly afterMs: number; readonly behaviour: SuspensionTimeoutBehaviour } | undefined
  readonly resumePolicy?: ResumePolicy | undefined
}

export interface ResumePolicy {
  /** How long to wait after the condition held. */
  readonly delayMs?: number | undefined
  /** Close the suspension's waitpoints when it resumes (default `true`). */
  readonly closeWaitpoints?: boolean | undefined
}

export type SuspendOutcome =
  | {
      readonly outcome: 'suspended'
      readonly suspensionId: SuspensionId
      readonly timesOutAtMs: number | null
    }
  /** Early signals satisfy it: the lease is kept, and these are they. */
  | { readonly outcome: 'already_satisfied'; readonly signals: readonly Signal[] }
  /** It was to be cancelled anyway. */
  | { readonly outcome: 'cancelled' }
  | FencingRefusal
  | ItemError

export interface NewWaitpoint {
  readonly waitpointId: WaitpointId
  /** Unique in the execution. */
  readonly name: string
  readonly expiresAtMs?: number | undefined
}

export interface CreateWaitpoint extends Scoped, NewWaitpoint {
  readonly executionId: ExecutionId
  readonly handle?: Handle | undefined
}

export type CreateWaitpointOutcome =
  | { readonly outcome: 'created'; readonly waitpoint: Waitpoint }
  | { readonly outcome: 'duplicate'; readonly waitpoint: Waitpoint }
  | { readonly outcome: 'execution_terminal' }
  | FencingRefusal

/** The token is made by the process that serves it; a store never sees one, nor a secret. */
export interface Waitpoint {
  readonly id: WaitpointId
  readonly executionId: ExecutionId
  readonly name: string
  readonly state: 'open' | 'closed' | 'expired'
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly signalCount: number
}

export interface GetWaitpoint extends Scoped {
  readonly waitpointId: WaitpointId
}

export interface ListWaitpoints extends Scoped, PageRequest {
  readonly executionId: ExecutionId
}

export interface DeliverSignal extends GetWaitpoint {
  readonly signalId: SignalId
  readonly name: string
  readonly payload: Bytes | null
  /** Kept 24 h. */
  readonly idempotencyKey: string
  /** The credential's subject, or what was signed into the token; `null` counts as one source. Never from a body. */
  readonly source: string | null
}

export type DeliverSignalOutcome =
  /** It counts. */
  | { readonly outcome: 'accepted'; readonly signalId: SignalId }
  /** This one resumed the execution. */
  | { readonly outcome: 'satisfied'; readonly signalId: SignalId }
  /** Kept until the suspension starts. */
  | { readonly outcome: 'buffered'; readonly signalId: SignalId }
  | { readonly outcome: 'duplicate'; readonly signalId: SignalId }
  | { readonly outcome: 'not_matched' }
  | { readonly outcome: 'waitpoint_closed' }
  | { readonly outcome: 'too_many_signals' }

export interface Signal {
  readonly id: SignalId
  readonly waitpointId: WaitpointId
  readonly name: string
  readonly payload: Bytes | null
  readonly source: string | null
  readonly receivedAtMs: number
}

export interface ListSignals extends Scoped, PageRequest {
  readonly executionId: ExecutionId
  readonly waitpointId?: WaitpointId | undefined
}
