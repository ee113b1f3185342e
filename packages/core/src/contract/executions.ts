import type { BudgetFacts, QuotaFacts } from '../decisions/room.js'
import type { EngineError } from '../errors/index.js'
import type { ExecutionId, FlowId, InstanceId } from '../ids/index.js'
import type { Kind, LaneId, Namespace, WorkerId } from '../names.js'
import type { Join } from '../policies/join.js'
import type { RetryPolicy } from '../policies/retry.js'
import type { Timeouts } from '../policies/timeouts.js'
import type { DelayReason } from '../state/blocks.js'
import type { PublicState } from '../state/public-state.js'
import type { RecordedOutcome, StateVector, TerminalOutcome } from '../state/vector.js'
import type { AttemptRecord } from './attempts.js'
import type { BudgetDemand, BudgetDemandSpec } from './budgets.js'
import type { Bytes, Failure, ItemError, Page, PageRequest, Scoped } from './conventions.js'
import type { FlowState, GroupView } from './flows.js'
import type { LaneState } from './lanes.js'
import type { ClaimedExecution, ClaimRequest } from './leases.js'
import type { ParkedBy, QuotaDemand, QuotaDemandSpec } from './quotas.js'
import type { ParentLink, SuspensionView } from './suspensions.js'

/** Units of durable work, from submission to retention. */
export interface ExecutionOperations {
  /**
   * Accept solo executions. Atomic per item, but for its idempotency key, which may be recorded just before and is
   * forgotten when the item is refused: after a crash between the two, the next item under the key that is the same but for
   * its id is accepted by the id that is recorded. Idempotent by id: the same namespace, kind and input hash answer `duplicate`; by idempotency key:
   * the recorded id is answered, whatever id came along. One round trip for the batch, another for keys. With `next`, a
   * claim is carried out after the items, in the same round trip or in a second one; a claim that fails claims nothing.
   * Throws `batch_too_large`. Item errors: validation codes, `partition_out_of_range`, `budget_not_found`,
   * `quota_not_found`, `unknown_dimension`; items that name budgets or quotas cost another round trip.
   */
  submit(params: SubmitExecutions): Promise<SubmitExecutionsResult>

  /** Read one execution. Throws `execution_not_found`. */
  get(params: GetExecution): Promise<{ readonly outcome: 'found'; readonly execution: Execution }>

  /** Read the recorded ends of several executions in one round trip. Unknown ids are item errors. */
  getResult(params: GetResults): Promise<{ readonly items: readonly ResultOutcome[] }>

  /**
   * Newest first. A cursor neither skips nor repeats an execution that existed when the listing began. Each is shown, and
   * judged by the filter, as it is when its page is read. Throws `invalid_cursor`.
   */
  list(params: ListExecutions): Promise<Page<Execution>>

  /** How many match, in all and apart: exact, as long as nothing that matches comes, changes or goes while it counts. */
  count(params: CountExecutions): Promise<CountedExecutions>

  /**
   * End an execution as `cancelled`. One that runs is asked first when `graceMs` > 0: its writes stay valid until the grace
   * ends, then its lease is revoked; whatever would make it runnable again meanwhile ends it as cancelled.
   * Atomic. Repeating never extends a grace. Throws `execution_not_found`.
   */
  cancel(params: CancelExecution): Promise<CancelExecutionOutcome>

  /**
   * Run an ended execution again as its next generation: attempts keep numbering, deadlines and the retry count start
   * afresh; with `input` (a fork) its journal is cleared, with its waitpoints and signals. A flow's member is replayed as `flows.replay` of that id.
   * Atomic. Throws `execution_not_found`.
   */
  replay(params: ReplayExecution): Promise<ReplayExecutionOutcome>

  /** Put an operator's block on an execution that doesn't run. Atomic, idempotent. Throws `execution_not_found`. */
  hold(params: HoldExecution): Promise<HoldOutcome>

  /**
   * Lift it. Other blocks stay. A suspension that has escalated is resumed by it, held or not. Atomic, idempotent.
   * Throws `execution_not_found`.
   */
  release(params: ReleaseExecution): Promise<ReleaseOutcome>

  /** Change the priority of what is not terminal; an active one keeps it for its later attempts. Atomic, idempotent. */
  changePriority(params: ChangePriority): Promise<{ readonly outcome: 'changed' } | ExecutionTerminal>

  /** Set and remove tags in one step, in any state. Atomic, idempotent. Throws `too_many_tags`, `invalid_tag`. */
  setTags(params: SetTags): Promise<{ readonly outcome: 'changed'; readonly tags: Tags }>

  /**
   * What `explain` needs: the execution and what lies in its partition as of one moment, the rest of a moment close to it.
   * Throws `execution_not_found`.
   */
  explainFacts(params: GetExecution): Promise<ExplainFacts>
}

export type Tags = Readonly<Record<string, string>>

/** What describes a unit of work, in a flow or not. Absent policies take the documented defaults. */
export interface ExecutionSpec {
  /** Minted whole by the caller, once, before the first try. */
  readonly id: ExecutionId
  readonly kind: Kind
  readonly lane: LaneId
  readonly input: Bytes | null
  /** Hash of the canonical plaintext input; by default SHA-256 (hex) of `input`. Part of what makes a repeat the same. */
  readonly inputHash?: string | undefined
  /** 0…9000, higher first. */
  readonly priority?: number | undefined
  /** What a worker must advertise. */
  readonly capabilities?: readonly string[] | undefined
  readonly tags?: Tags | undefined
  readonly retry?: RetryPolicy | undefined
  readonly timeouts?: Timeouts | undefined
  /** Not before this store time. Absolute, fixed at submit, not applied again on replay. Excludes `delayMs`. */
  readonly startAtMs?: number | undefined
  /** Not before acceptance plus this. */
  readonly delayMs?: number | undefined
  /** How long it is kept once terminal; default: the lane's. */
  readonly retentionMs?: number | undefined
  /** Leases that may be lost before it fails as `max_reclaims_exceeded`. */
  readonly maxReclaims?: number | undefined
  /** W3C traceparent, carried to the worker. */
  readonly traceContext?: string | undefined
  /**
   * At most 8, judged at each claim after the quotas. What names the same budgets and quotas, with the same keys, has one
   * admission key: in a partition it is claimed in its order, and while its head is refused nothing of it is.
   */
  readonly budgets?: readonly BudgetDemandSpec[] | undefined
  /** At most 8, judged at each claim in the order of their ids and keys. */
  readonly quotas?: readonly QuotaDemandSpec[] | undefined
}

export interface SubmitExecutions extends Scoped {
  readonly items: readonly ExecutionSubmission[]
  /** A claim that waited for work, its caller's or another's; its lanes and namespaces need not be those of the items. */
  readonly next?: ClaimRequest | undefined
}

export interface ExecutionSubmission extends ExecutionSpec {
  readonly idempotencyKey?: string | undefined
  /** How long the key is kept, default 24 h. */
  readonly idempotencyTtlMs?: number | undefined
  /** The execution that calls it, which is told of its end. Not part of what makes a repeat the same. */
  readonly parent?: ParentLink | undefined
}

export interface SubmitExecutionsResult {
  /** In the order of the items. */
  readonly items: readonly SubmitExecutionOutcome[]
  /** What `next` claimed. */
  readonly claimed: readonly ClaimedExecution[]
}

export type SubmitExecutionOutcome =
  | { readonly outcome: 'accepted'; readonly id: ExecutionId }
  | { readonly outcome: 'duplicate'; readonly id: ExecutionId }
  | { readonly outcome: 'execution_conflict' }
  | { readonly outcome: 'idempotency_conflict' }
  | { readonly outcome: 'lane_not_accepting'; readonly lane: LaneId; readonly laneState: LaneState }
  | { readonly outcome: 'too_many_routes'; readonly lane: LaneId }
  | ItemError

export interface GetExecution extends Scoped {
  readonly id: ExecutionId
}

export const cancelCauses = [
  'operator',
  'flow',
  'sibling',
  'ancestor',
  'parent',
  'draft_expired',
  'quota',
  'suspension_timeout',
  'budget',
] as const
/** Why an execution was cancelled; the first recorded counts. */
export type CancelCause = (typeof cancelCauses)[number]

/** The record of an execution, as of one moment. */
export interface Execution {
  readonly id: ExecutionId
  readonly namespace: Namespace
  readonly flowId: FlowId | null
  readonly parent: ParentLink | null
  /** Its name as a node of its flow. */
  readonly name: string | null
  readonly kind: Kind
  readonly lane: LaneId
  readonly capabilities: readonly string[]
  readonly priority: number
  readonly tags: Tags
  readonly retry: RetryPolicy
  readonly timeouts: Timeouts
  /** In the order in which they are judged, as `quotas`; estimates and costs filled in. */
  readonly budgets: readonly BudgetDemand[]
  readonly quotas: readonly QuotaDemand[]
  readonly state: StateVector
  readonly publicState: PublicState
  /** Starts at 1, raised by every replay. */
  readonly generation: number
  /** Raised by every claim, never lowered. */
  readonly epoch: number
  /** Attempts recorded so far, over all generations. */
  readonly attemptCount: number
  /** Initial and retry attempts of this generation. */
  readonly retryCount: number
  readonly reclaimCount: number
  readonly replayCount: number
  readonly held: boolean
  readonly createdAtMs: number
  /** When it first became eligible in this generation. */
  readonly firstEligibleAtMs: number | null
  /** What it queues by, with its priority. */
  readonly readyAtMs: number | null
  readonly notBeforeMs: number | null
  readonly delayReason: DelayReason | null
  readonly deadlineAtMs: number | null
  readonly lease: LeaseView | null
  readonly cancelRequested: { readonly graceEndsAtMs: number; readonly cause: CancelCause } | null
  readonly cancelCause: CancelCause | null
  readonly failure: Failure | null
  readonly progress: { readonly percent: number; readonly message: string | null } | null
  readonly terminalAtMs: number | null
}

export interface LeaseView {
  readonly workerId: WorkerId
  readonly instanceId: InstanceId
  readonly attemptIndex: number
  readonly startedAtMs: number
  readonly expiresAtMs: number
  readonly attemptDeadlineAtMs: number | null
}

export interface GetResults extends Scoped {
  readonly ids: readonly ExecutionId[]
}

export type ResultOutcome =
  | { readonly outcome: 'pending'; readonly id: ExecutionId; readonly publicState: PublicState }
  | { readonly outcome: 'success'; readonly id: ExecutionId; readonly result: Bytes | null }
  | {
      readonly outcome: Exclude<RecordedOutcome, 'success'>
      readonly id: ExecutionId
      readonly failure: Failure | null
      readonly cancelCause: CancelCause | null
    }
  | ItemError

/** All given fields must match. */
export interface ExecutionFilter {
  readonly lane?: LaneId | undefined
  readonly kind?: Kind | undefined
  readonly states?: readonly PublicState[] | undefined
  readonly flowId?: FlowId | undefined
  readonly tags?: Tags | undefined
  readonly createdFromMs?: number | undefined
  readonly createdBeforeMs?: number | undefined
  /** By the end that stands: only what has ended, and has not been replayed since. */
  readonly endedFromMs?: number | undefined
  readonly endedBeforeMs?: number | undefined
}

export interface ListExecutions extends Scoped, PageRequest {
  readonly filter?: ExecutionFilter | undefined
}

export const countGroupings = ['lane', 'kind', 'state'] as const
/** What executions are counted apart by. */
export type CountGrouping = (typeof countGroupings)[number]

export interface CountExecutions extends Scoped {
  readonly filter?: ExecutionFilter | undefined
  readonly by?: CountGrouping | undefined
}

export interface CountedExecutions {
  readonly outcome: 'counted'
  /** All that match, those of groups that are not told too. */
  readonly count: number
  /** With `by`: the largest 1000, largest first, ties by name. None is empty. */
  readonly groups?: readonly CountedGroup[] | undefined
}

export interface CountedGroup {
  /** A lane, a kind or a public state. */
  readonly name: string
  readonly count: number
}

export interface CancelExecution extends GetExecution {
  readonly reason?: string | undefined
  /** How long a running attempt may still write; 0 (default) revokes its lease at once. */
  readonly graceMs?: number | undefined
}

export interface ExecutionTerminal {
  readonly outcome: 'execution_terminal'
  readonly terminalOutcome: RecordedOutcome
}

export type CancelExecutionOutcome =
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'cancelling'; readonly graceEndsAtMs: number }
  | ExecutionTerminal

export interface ReplayExecution extends GetExecution {
  readonly input?: Bytes | null | undefined
  readonly reason?: string | undefined
}

export type ReplayExecutionOutcome =
  | { readonly outcome: 'replayed'; readonly generation: number }
  /** It, or what would be replayed with it, still runs or waits. */
  | { readonly outcome: 'replay_conflict'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'max_replays_exceeded'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'flow_not_open'; readonly flowState: string }

export interface HoldExecution extends GetExecution {
  readonly reason?: string | undefined
}

export type HoldOutcome =
  | { readonly outcome: 'held' }
  | { readonly outcome: 'already_held' }
  | { readonly outcome: 'execution_active' }
  | ExecutionTerminal

export interface ReleaseExecution extends GetExecution {}

export type ReleaseOutcome =
  | { readonly outcome: 'released' }
  | { readonly outcome: 'not_held' }
  | ExecutionTerminal

export interface ChangePriority extends GetExecution {
  readonly priority: number
}

export interface SetTags extends GetExecution {
  readonly set?: Tags | undefined
  readonly remove?: readonly string[] | undefined
}

/** Facts only; the judgement is `explain`'s (engine). `lane.active` and `workers` may be a moment younger than the rest. */
export interface ExplainFacts {
  readonly outcome: 'facts'
  readonly execution: Execution
  readonly nowMs: number
  readonly lane: { readonly state: LaneState; readonly concurrency: number | null; readonly active: number }
  /** Live worker instances of the lane, with what each serves. */
  readonly workers: readonly {
    readonly instanceId: InstanceId
    readonly kinds: readonly Kind[]
    readonly capabilities: readonly string[]
    readonly draining: boolean
  }[]
  /** Claimable executions of its route in its partition, where order is promised, that are ahead of it (counted up to 1000). */
  readonly ahead: number
  readonly flow: {
    readonly id: FlowId
    readonly state: FlowState
    /** Whether a cancel spares its `always` nodes; absent is true. */
    readonly finalisers?: boolean | undefined
  } | null
  readonly group: {
    readonly view: GroupView
    /** `null` when this version does not know the stored policy. */
    readonly join: Join | null
    readonly storedPolicy: string
    /** Upstreams whose edges are pending (first 100). */
    readonly pendingUpstreams: readonly {
      readonly id: ExecutionId
      readonly name: string | null
      readonly publicState: PublicState
    }[]
  } | null
  readonly lastAttempt: AttemptRecord | null
  readonly suspension: SuspensionView | null
  /** What admission looks at of the quotas and budgets that it names; `null` when it names none. */
  readonly demands: {
    readonly quotas: readonly QuotaFacts[]
    readonly budgets: readonly BudgetFacts[]
    /** The head of its admission key, itself perhaps, while that is refused. */
    readonly parked: { readonly head: ExecutionId; readonly by: ParkedBy; readonly sinceMs: number } | null
  } | null
}

export type { EngineError, TerminalOutcome }
