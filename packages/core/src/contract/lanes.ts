import type { LaneId, Namespace } from '../names.js'
import type { PublicState } from '../state/public-state.js'
import type { ScanRequest, ScanResult, Scoped } from './conventions.js'

/** Named queues of a namespace. They exist from their first use, with default settings. */
export interface LaneOperations {
  /** Change the given settings. Answered when every copy has them. Idempotent. Throws validation codes. */
  configure(params: ConfigureLane): Promise<{ readonly outcome: 'configured'; readonly lane: Lane }>

  /**
   * The lanes of the namespace that were configured or hold executions, with their depth by state and the age of the
   * oldest claimable execution. A lane that holds nothing and has the default settings may be left out.
   */
  list(params: Scoped): Promise<{ readonly outcome: 'listed'; readonly lanes: readonly LaneView[] }>

  /** Change the state. After the answer nothing of a paused or disabled lane is handed out, also not to a claim that already waits. Idempotent. */
  setState(params: SetLaneState): Promise<{ readonly outcome: 'set'; readonly previous: LaneState }>

  /** Finish the copies that a crash of `configure` or `setState` left half-way. */
  syncCopies(
    params: ScanRequest,
  ): Promise<ScanResult<{ readonly outcome: 'synced'; readonly namespace: Namespace; readonly lane: LaneId }>>
}

export const laneStates = ['active', 'paused', 'draining', 'disabled'] as const
/**
 * `paused` accepts and starts nothing; `draining` refuses new submissions and works off what it has; `disabled` does
 * neither. Running attempts go on in all of them.
 */
export type LaneState = (typeof laneStates)[number]

export const eventLevels = ['all', 'terminal', 'none'] as const
export type EventLevel = (typeof eventLevels)[number]

export interface LaneSettings {
  /** Over how many partitions new solo executions spread (default 1). */
  readonly shards: number
  /** Most active executions at once; `null` (default) is no bound. */
  readonly concurrency: number | null
  /** One priority step per this many ms waited; `null` (default) is none. Holds for what becomes ready later. */
  readonly ageingMs: number | null
  /** Share of this lane when a claim names several (default 1). */
  readonly weight: number
  /** How long terminal executions are kept (default 24 h). */
  readonly retentionMs: number
  /** Which transitions of solo executions the feed shows (default `terminal`); flows are always `all`. */
  readonly eventLevel: EventLevel
}

export interface Lane extends LaneSettings {
  readonly namespace: Namespace
  readonly lane: LaneId
  readonly state: LaneState
  /** Raised by each change. */
  readonly version: number
}

export interface LaneView extends Lane {
  /** Executions by public state, zeros too: the sum over the partitions. */
  readonly depth: Readonly<Record<PublicState, number>>
  /**
   * Since when the oldest claimable execution is ready; what waits behind a refused head of its admission key is not. Where a route has more than 100 priorities waiting in a partition,
   * or more than 1000 executions in a lane that ever had an ageing, or more than 100 admission keys, it may be that of a younger one.
   */
  readonly oldestReadyAtMs: number | null
}

export interface ConfigureLane extends Scoped {
  readonly lane: LaneId
  readonly settings: { readonly [K in keyof LaneSettings]?: LaneSettings[K] | undefined }
}

export interface SetLaneState extends Scoped {
  readonly lane: LaneId
  readonly state: LaneState
  readonly reason?: string | undefined
}
