import type { ExecutionId, FlowId, InstanceId } from '../ids/index.js'
import type { LaneId, Namespace } from '../names.js'
import type { PartitionConfig, PartitionTag } from '../partitions/index.js'
import type { ScanRequest, ScanResult } from './conventions.js'

/** What keeps a store healthy, and what tells how it is. */
export interface MaintenanceOperations {
  /**
   * The cheap look that makes idling cheap: which kinds of work are pending in these partitions, and when the next is due.
   * Of every family. One round trip for each.
   */
  pulse(params: { readonly partitions: readonly PartitionTag[] }): Promise<PulseResult>

  /**
   * Apply what is due: starts, backoffs, leases, suspensions, time-outs, deadlines, graces. Each item is one atomic, fenced transition.
   * A flow's deadline, or the end of a draft, holds for all its members from that step on; they end as those of
   * `flows.cancel` do, in the step or in batches after it.
   */
  drainTimers(params: ScanRequest): Promise<ScanResult<TimerItem>>

  /** Compare a sample of records with the indexes that their state demands; repair and report. */
  reconcileIndexes(params: ScanRequest): Promise<ScanResult<IndexReconcileItem>>

  /**
   * Remove what is past its retention, completely, in bounded batches: executions, flows, idempotency keys, events of the
   * feed beyond `feedLengthMax` or `feedAgeMsMax`, and with partition 0 old entries of the audit log and tokens that ended
   * long ago. It tells what it removed itself: idempotency keys may go without it once they have expired.
   */
  trimRetention(params: ScanRequest): Promise<ScanResult<RetentionItem>>

  /** The store's own housekeeping. */
  upkeep(
    params: ScanRequest,
  ): Promise<ScanResult<{ readonly outcome: 'done'; readonly task: string; readonly count: number }>>

  describe(): Promise<StoreDescription>

  /** The store's clock, in ms since the epoch. */
  serverTimeMs(): Promise<number>

  /** Throws `store_unreachable`. */
  ping(): Promise<{ readonly outcome: 'pong'; readonly roundTripMs: number }>

  /**
   * Migrate or load, and fix the partition counts at the first boot. Idempotent, safe from many processes at once.
   * Throws `partition_count_mismatch` naming both values, `schema_mismatch`, `virtual_time_refused`.
   */
  prepare(params?: PrepareParams): Promise<{
    readonly outcome: 'prepared'
    readonly partitions: PartitionConfig
    readonly virtualTime: boolean
  }>

  /** Move the store's clock by an offset, for tests. Throws `virtual_time_off` on any store not prepared for it. */
  advanceTime(params: { readonly byMs: number }): Promise<{ readonly nowMs: number }>

  close(): Promise<void>
}

export const pendingWorks = [
  'timers',
  'outbox',
  'sibling_cancels',
  'cancel_backlog',
  'projection',
  'retention',
  'upkeep',
  'lane_copies',
  'schedules',
  'operations',
  'webhooks',
  'parked',
  'budget_resets',
] as const
/** `parked`: of the quota and the budget family, an admission key for which there is room. `budget_resets`: of the latter. */
export type PendingWork = (typeof pendingWorks)[number]

export interface PulseResult {
  readonly nowMs: number
  readonly partitions: readonly {
    readonly partition: PartitionTag
    /** Kinds of work that are pending now. */
    readonly pending: readonly PendingWork[]
    /**
     * When the next timer is due; in the quota family the next schedule, bulk operation, webhook or window, in the budget family the
     * next reset.
     */
    readonly nextDueAtMs: number | null
  }[]
  /**
   * Lanes whose best claimable execution in the asked partitions has waited longer than 250 ms; others may be named too. All
   * who listen are told of them again, in other processes as well: their first hint may have been lost.
   */
  readonly waitingLanes: readonly {
    readonly namespace: Namespace
    readonly lane: LaneId
    readonly readyAtMs: number
  }[]
}

export const timerKinds = [
  'delayed_promotion',
  'lease_expiry',
  'suspension_timeout',
  'attempt_timeout',
  'execution_deadline',
  'queue_ttl',
  'cancel_grace',
  'flow_deadline',
  'draft_expiry',
] as const
export type TimerKind = (typeof timerKinds)[number]

export interface TimerItem {
  readonly outcome: 'applied' | 'rearmed' | 'error'
  readonly timer: TimerKind
  readonly id: ExecutionId | FlowId
  /** Store time at which it was due. */
  readonly dueAtMs: number
  readonly code?: string | undefined
}

export interface IndexReconcileItem {
  readonly outcome: 'repaired' | 'violation' | 'error'
  readonly id: ExecutionId | FlowId
  readonly finding: string
}

export interface RetentionItem {
  readonly outcome: 'removed' | 'error'
  readonly what: 'execution' | 'flow' | 'idempotency_key' | 'event' | 'token' | 'audit_entry'
  readonly count: number
}

export interface PrepareParams {
  /** Counts at the first boot; later they must agree when given. */
  readonly partitions?: Partial<PartitionConfig> | undefined
  /**
   * For tests only, on an empty store: its clock stands still at `startMs` and moves by `advanceTime` alone.
   * Refused on a store that holds anything.
   */
  readonly virtualTime?: { readonly startMs: number } | undefined
}

export interface StoreDescription {
  readonly kind: 'valkey' | 'postgres'
  /** For people, such as `PostgreSQL 18.4` or `PGlite 0.5 (PostgreSQL 18.6)`. */
  readonly store: string
  readonly layoutVersion: number
  readonly partitions: PartitionConfig
  readonly virtualTime: boolean
  /** What survives which crash, in words. */
  readonly durability: string
  readonly limits: Readonly<Record<string, number>>
  /** Of all namespaces; a server tells zeros to whom some of them are closed. */
  readonly counts: {
    readonly executions: number
    readonly flows: number
    readonly outbox: number
    readonly events: number
  }
}

export type { InstanceId }
