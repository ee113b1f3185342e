import type { GroupCounters, GroupDecision } from '../decisions/join.js'
import type { EdgeId, ExecutionId, FlowId } from '../ids/index.js'
import type { LaneId, Namespace } from '../names.js'
import type { Join, JoinSpec } from '../policies/join.js'
import type { PublicState } from '../state/public-state.js'
import type { Bytes, Page, PageRequest, Scoped } from './conventions.js'
import type { Execution, ExecutionSpec } from './executions.js'
import type { LaneState } from './lanes.js'
import type { FencingRefusal, Handle } from './leases.js'
import type { ParentLink } from './suspensions.js'

/** DAGs of executions that share a partition. */
export interface FlowOperations {
  /**
   * Accept a whole graph, all or nothing: nothing of it can be claimed, and the flow cannot be read, before all of it
   * stands. Listings and counts of executions may take up its members one after the other, until the answer.
   * Idempotent by flow id and graph hash (`duplicate`), and by idempotency key, which is recorded as that of
   * `executions.submit` is. One round trip up to the store's bound.
   * Throws `contention` when another call with the key has recorded it and is still on its way; the caller may repeat.
   * Throws `empty_flow`, `cycle` (with its path), `self_edge`, `duplicate_edge`, `unknown_node`, `duplicate_name`,
   * `invalid_quorum`, `on_satisfied_not_allowed`, `policy_without_edges`, `partition_mismatch`, limits.
   */
  submit(params: SubmitFlow): Promise<SubmitFlowOutcome>

  /**
   * Begin a graph that `extend` fills and `seal` releases. Unsealed by its time-to-live, it is cancelled. Idempotent by id,
   * and by idempotency key as `submit`.
   */
  createDraft(params: CreateDraft): Promise<CreateDraftOutcome>

  /**
   * Add nodes and edges to a draft or an open flow, atomically. A new edge may point at an existing node only while that
   * was never claimed and its group has not decided. Upstreams that have ended count at once. Idempotent by node ids:
   * a repeat answers `duplicate`. With `handle` it is fenced as a worker's write. Throws as `submit`, and `flow_not_found`.
   */
  extend(params: ExtendFlow): Promise<ExtendFlowOutcome>

  /** Open a draft: its roots are released. Atomic, idempotent. Throws `empty_flow`, `flow_not_found`. */
  seal(params: SealFlow): Promise<SealFlowOutcome>

  /** Read a flow's record with its newest summary. Throws `flow_not_found`. */
  get(params: GetFlow): Promise<{ readonly outcome: 'found'; readonly flow: Flow }>

  /** Nodes, with their incoming edges and groups, in order of creation. Throws `flow_not_found`, `invalid_cursor`. */
  getGraph(params: GetGraph): Promise<Page<FlowNodeView>>

  /** The named sinks that succeeded, each with its result. `pending` until the flow has ended. Throws `flow_not_found`. */
  getResult(params: GetFlow): Promise<FlowResultOutcome>

  /** Newest first. A cursor neither skips nor repeats a flow that existed when the listing began. Throws `invalid_cursor`. */
  list(params: ListFlows): Promise<Page<Flow>>

  /**
   * Cancel by policy. While it is `cancelling` no member starts but `always` nodes, and none is handed out after the
   * answer. That is so from one atomic step on; the members themselves end in it or in batches after it, those of a flow
   * of up to 500 before the answer. Repeating is harmless. With `waitMs` it answers when the members are terminal, or how
   * many remain then.
   * Throws `flow_not_found`.
   */
  cancel(params: CancelFlow): Promise<CancelFlowOutcome>

  /** Reopen members and their descendants as their next generation. Atomic to all readers. Throws `flow_not_found`, `unknown_node`. */
  replay(params: ReplayFlow): Promise<ReplayFlowOutcome>
}

export const flowStates = [
  'draft',
  'open',
  'cancelling',
  'replaying',
  'completed',
  'failed',
  'cancelled',
] as const
/** The authoritative state, written only by submit, seal, cancel, replay and completion. */
export type FlowState = (typeof flowStates)[number]
export const terminalFlowStates = ['completed', 'failed', 'cancelled'] as const

export const flowSummaryStates = ['open', 'running', 'blocked', 'completed', 'failed', 'cancelled'] as const
/** The derived state that dashboards read. */
export type FlowSummaryState = (typeof flowSummaryStates)[number]

/** A node as it is submitted. */
export interface FlowNode extends ExecutionSpec {
  /** Unique in the flow. Named sinks make the flow's result. */
  readonly name?: string | undefined
  /** How its incoming edges are joined; a validation error on a node without any. */
  readonly join?: JoinSpec | undefined
}

export interface FlowEdge {
  readonly from: ExecutionId
  readonly to: ExecutionId
  /** The name under which `to` receives `from`'s result; unique among the edges of `to`. */
  readonly as?: string | undefined
}

export interface FlowGraph {
  readonly nodes: readonly FlowNode[]
  readonly edges: readonly FlowEdge[]
}

export interface FlowOptions {
  readonly flowId: FlowId
  readonly name?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly idempotencyTtlMs?: number | undefined
  /** From the release of the roots; then its members end as `expired`. */
  readonly deadlineMs?: number | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** The execution that calls it, which is told of its end. Not part of what makes a repeat the same. */
  readonly parent?: ParentLink | undefined
}

export interface SubmitFlow extends Scoped, FlowOptions, FlowGraph {}

export type SubmitFlowOutcome =
  | { readonly outcome: 'accepted'; readonly flowId: FlowId; readonly graphRevision: number }
  | { readonly outcome: 'duplicate'; readonly flowId: FlowId }
  | { readonly outcome: 'flow_conflict' }
  | { readonly outcome: 'idempotency_conflict' }
  | { readonly outcome: 'lane_not_accepting'; readonly lane: LaneId; readonly laneState: LaneState }
  | { readonly outcome: 'too_many_routes'; readonly lane: LaneId }

export interface CreateDraft extends Scoped, FlowOptions {
  /** Default 24 h. */
  readonly draftTtlMs?: number | undefined
}

export type CreateDraftOutcome =
  | { readonly outcome: 'created'; readonly flowId: FlowId }
  | { readonly outcome: 'duplicate'; readonly flowId: FlowId }
  | { readonly outcome: 'flow_conflict' }
  | { readonly outcome: 'idempotency_conflict' }

export interface ExtendFlow extends Scoped, FlowGraph {
  readonly flowId: FlowId
  /** Refuse when the graph has moved on. */
  readonly expectedRevision?: number | undefined
  /** The lease under which a worker grows its own flow. */
  readonly handle?: Handle | undefined
}

export type ExtendFlowOutcome =
  | { readonly outcome: 'extended'; readonly graphRevision: number }
  | { readonly outcome: 'duplicate'; readonly graphRevision: number }
  | { readonly outcome: 'flow_not_open'; readonly flowState: FlowState }
  /** The whole call is refused. */
  | { readonly outcome: 'edge_group_decided'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'graph_revision_mismatch'; readonly graphRevision: number }
  | { readonly outcome: 'execution_conflict' }
  | { readonly outcome: 'lane_not_accepting'; readonly lane: LaneId; readonly laneState: LaneState }
  | { readonly outcome: 'too_many_routes'; readonly lane: LaneId }
  | FencingRefusal

export interface SealFlow extends Scoped {
  readonly flowId: FlowId
}

export type SealFlowOutcome =
  | { readonly outcome: 'sealed'; readonly graphRevision: number }
  | { readonly outcome: 'already_sealed' }
  | { readonly outcome: 'flow_not_open'; readonly flowState: FlowState }

export interface GetFlow extends Scoped {
  readonly flowId: FlowId
}

export interface Flow {
  readonly id: FlowId
  readonly namespace: Namespace
  readonly name: string | null
  readonly state: FlowState
  readonly graphRevision: number
  /** Raised by every replay. */
  readonly generation: number
  readonly tags: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly deadlineAtMs: number | null
  readonly terminalAtMs: number | null
  readonly cancel: {
    readonly policy: FlowCancelPolicy
    readonly finalisers: boolean
    readonly requestedAtMs: number
  } | null
  readonly summary: FlowSummary
}

export interface FlowSummary {
  readonly totalMembers: number
  /** Each public state, zeros too; exact as of `lastSummaryUpdateAtMs`. */
  readonly counts: Readonly<Record<PublicState, number>>
  readonly publicFlowState: FlowSummaryState
  readonly firstStartAtMs: number | null
  readonly lastChangeAtMs: number | null
  /** Share of members that are terminal, 0…1. */
  readonly progress: number
  /** Longest chain of recorded run times so far, in ms. */
  readonly criticalPathMs: number
  /** Store time; `null` before the first projection. */
  readonly lastSummaryUpdateAtMs: number | null
}

export interface GetGraph extends GetFlow, PageRequest {}

export interface FlowNodeView {
  readonly execution: Execution
  readonly incoming: readonly EdgeView[]
  readonly group: GroupView | null
}

export interface EdgeView {
  /** The same in every reading of one store; what it is made of is the store's affair. */
  readonly id: EdgeId
  readonly from: ExecutionId
  readonly to: ExecutionId
  readonly as: string | null
  readonly state: 'pending' | 'satisfied' | 'impossible'
}

export interface GroupView {
  /** `null` when this version does not know the stored policy: the group stays pending for one that does. */
  readonly join: Join | null
  readonly counters: GroupCounters
  readonly state: GroupDecision
  /** Its node was let go (or skipped). */
  readonly released: boolean
  readonly cancelReason: 'sibling_quorum_satisfied' | 'sibling_quorum_impossible' | null
  /** Sibling cancels are still to be carried out. */
  readonly cancelPending: boolean
}

export type FlowResultOutcome =
  | { readonly outcome: 'pending'; readonly flowState: FlowState }
  | {
      readonly outcome: 'completed' | 'failed' | 'cancelled'
      readonly results: Readonly<Record<string, Bytes | null>>
      /** Members that ended as other than success and were not absorbed (first 100). */
      readonly failures: readonly {
        readonly id: ExecutionId
        readonly name: string | null
        readonly publicState: PublicState
      }[]
    }

export interface ListFlows extends Scoped, PageRequest {
  readonly states?: readonly FlowState[] | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly name?: string | undefined
  readonly createdFromMs?: number | undefined
  readonly createdBeforeMs?: number | undefined
  /** By the end that stands: only flows that have ended, and have not been replayed since. */
  readonly endedFromMs?: number | undefined
  readonly endedBeforeMs?: number | undefined
}

export const flowCancelPolicies = ['cancel_all', 'cancel_pending', 'flow_only'] as const
export type FlowCancelPolicy = (typeof flowCancelPolicies)[number]

export interface CancelFlow extends GetFlow {
  readonly policy: FlowCancelPolicy
  /** `false` treats `always` nodes that have not ended as other members (default `true`: they run). */
  readonly finalisers?: boolean | undefined
  readonly reason?: string | undefined
  readonly waitMs?: number | undefined
}

export type CancelFlowOutcome =
  | { readonly outcome: 'cancelled' }
  | {
      readonly outcome: 'cancelling'
      /** Members that are not terminal. */
      readonly remaining: number
      readonly failures: readonly { readonly id: ExecutionId; readonly code: string }[]
    }
  | { readonly outcome: 'flow_terminal'; readonly flowState: FlowState }
  | { readonly outcome: 'flow_not_open'; readonly flowState: FlowState }

export interface ReplayFlow extends GetFlow {
  /** `failed`: what failed, expired or was cancelled by an operator, with descendants that did not succeed. */
  readonly from: 'failed' | readonly ExecutionId[]
  /** New inputs (a fork) for some of the chosen members. */
  readonly inputs?: readonly { readonly id: ExecutionId; readonly input: Bytes | null }[] | undefined
  readonly reason?: string | undefined
}

export type ReplayFlowOutcome =
  | { readonly outcome: 'replayed'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'replay_conflict'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'nothing_to_replay' }
  | { readonly outcome: 'max_replays_exceeded'; readonly ids: readonly ExecutionId[] }
  | { readonly outcome: 'flow_not_open'; readonly flowState: FlowState }
