import type { BudgetId, ExecutionId, FlowId, SignalId, WaitpointId } from '../ids/index.js'
import type { Kind, LaneId, Namespace } from '../names.js'
import type { PartitionTag } from '../partitions/index.js'
import type { PublicState } from '../state/public-state.js'
import type { CancelCause } from './executions.js'
import type { FlowState } from './flows.js'

/** The durable change feed, and best-effort hints. */
export interface EventOperations {
  /**
   * Events after a cursor, over all partitions. Along a chain of cursors each event comes exactly once, in order per
   * execution, and an event that led to another of its flow before it. Waits up to `waitMs` for news.
   * Without a cursor it starts at `from`. Throws `cursor_expired` when `trimRetention` removed events that the cursor
   * hasn't come to, `invalid_cursor`.
   */
  read(params: ReadEvents): Promise<EventsPage>

  /**
   * Be told, best effort and coalesced, that something may have changed. Hints may be lost, doubled or late; nothing
   * depends on them but latency. The answer ends the subscription.
   */
  listen(params: ListenParams): () => void
}

export interface ReadEvents {
  /** Only of this namespace. */
  readonly namespace: Namespace
  readonly cursor?: string | undefined
  /** Where to begin without a cursor: `oldest` kept (default) or `now`. */
  readonly from?: 'oldest' | 'now' | undefined
  readonly filter?: EventFilter | undefined
  /** 1…1000, default 100. */
  readonly limit?: number | undefined
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface EventFilter {
  readonly executionId?: ExecutionId | undefined
  readonly flowId?: FlowId | undefined
  readonly lane?: LaneId | undefined
  readonly types?: readonly EngineEvent['type'][] | undefined
}

export interface EventsPage {
  readonly outcome: 'events'
  readonly events: readonly EngineEvent[]
  /** Continue here. Moves on even when the filter let nothing through. */
  readonly cursor: string
}

export const eventTypes = [
  'execution',
  'flow',
  'signal',
  'budget',
] as const satisfies readonly EngineEvent['type'][]

export type EngineEvent = ExecutionEvent | FlowEvent | SignalEvent | BudgetEvent

interface EventBase {
  readonly namespace: Namespace
  readonly partition: PartitionTag
  /** Increasing within the partition. */
  readonly number: number
  readonly atMs: number
}

/** An execution entered `publicState`, or began another attempt or generation in it. */
export interface ExecutionEvent extends EventBase {
  readonly type: 'execution'
  readonly executionId: ExecutionId
  readonly flowId: FlowId | null
  readonly name: string | null
  readonly kind: Kind
  readonly lane: LaneId
  readonly publicState: PublicState
  readonly previousState: PublicState | null
  readonly attemptIndex: number | null
  readonly generation: number
  readonly cancelCause: CancelCause | null
}

/** A flow entered an authoritative state, or its graph grew. */
export interface FlowEvent extends EventBase {
  readonly type: 'flow'
  readonly flowId: FlowId
  readonly state: FlowState
  readonly previousState: FlowState | null
  readonly graphRevision: number
  readonly generation: number
}

/** A signal was kept. What it resumed says so by an event of its own, after this one. Shown as events of the execution are. */
export interface SignalEvent extends EventBase {
  readonly type: 'signal'
  readonly executionId: ExecutionId
  readonly flowId: FlowId | null
  readonly lane: LaneId
  readonly signalId: SignalId
  /** `null` for a `timeout` that the engine sent. */
  readonly waitpointId: WaitpointId | null
  readonly name: string
  readonly outcome: 'accepted' | 'satisfied' | 'buffered'
}

/**
 * More was spent than a limit of the budget, for the first time in its period or since it was last within it; or a period
 * began. In the partition that a flow of this id would have.
 */
export interface BudgetEvent extends EventBase {
  readonly type: 'budget'
  readonly budgetId: BudgetId
  readonly change: 'soft_breach' | 'hard_breach' | 'reset'
  readonly period: number
}

export interface ListenParams {
  readonly onHint: (hint: Hint) => void
  /** Only these; default: all. Over HTTP the others don't even travel. */
  readonly types?: readonly HintType[] | undefined
}

export type HintType = Hint['type']

/**
 * `ready`: a lane may have claimable work (`count` 0: nobody knows how much). `due`: a partition's next timer may have
 * moved. `outbox`: a partition has work for the dispatchers. `ended`: an execution or a flow came to its end.
 * `attention`: a leased execution should be looked at by its holder (cancelled, revoked). `events`: a partition's feed grew.
 * `frames`: a stream of the execution grew.
 */
export type Hint =
  | { readonly type: 'ready'; readonly namespace: Namespace; readonly lane: LaneId; readonly count: number }
  | { readonly type: 'due'; readonly partition: PartitionTag; readonly dueAtMs: number }
  | { readonly type: 'outbox'; readonly partition: PartitionTag }
  | { readonly type: 'ended'; readonly id: ExecutionId | FlowId }
  | { readonly type: 'attention'; readonly executionId: ExecutionId }
  | { readonly type: 'events'; readonly partition: PartitionTag }
  | { readonly type: 'frames'; readonly executionId: ExecutionId }
