import type { ExecutionId, FlowId, ScheduleId } from '../ids/index.js'
import type { Page, PageRequest, ScanRequest, ScanResult, Scoped } from './conventions.js'
import type { ExecutionSpec } from './executions.js'
import type { FlowEdge, FlowNode } from './flows.js'

/** What starts executions and flows by the clock. */
export interface ScheduleOperations {
  /** Create or replace. Idempotent by id. Throws `invalid_schedule`. */
  put(params: PutSchedule): Promise<{ readonly outcome: 'created' | 'replaced'; readonly schedule: Schedule }>

  /** With its next fire times. Throws `schedule_not_found`. */
  get(params: GetSchedule): Promise<{
    readonly outcome: 'found'
    readonly schedule: Schedule
    readonly nextFiresMs: readonly number[]
  }>

  /** By label. */
  list(params: ListSchedules): Promise<Page<Schedule>>

  /** What it started goes on. Idempotent. */
  delete(params: GetSchedule): Promise<{ readonly outcome: 'deleted' | 'not_found' }>

  /** Stop firing, or go on. Ticks missed while paused are not caught up. Atomic, idempotent. Throws `schedule_not_found`. */
  pause(params: PauseSchedule): Promise<{ readonly outcome: 'paused' | 'resumed' | 'unchanged' }>

  /** Fire now, or each tick of a past range once. Idempotent by `triggerKey`; each tick by its own deterministic id. */
  trigger(params: TriggerSchedule): Promise<{
    readonly outcome: 'triggered' | 'duplicate'
    readonly started: readonly (ExecutionId | FlowId)[]
  }>

  /** Start what is due, exactly once per tick in a fleet: the fire is a conditional write. */
  fireDue(params: ScanRequest): Promise<ScanResult<ScheduleFireItem>>
}

export const overlapPolicies = ['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all'] as const
/** What a tick does while what an earlier one started still runs. */
export type OverlapPolicy = (typeof overlapPolicies)[number]

export type ScheduleTiming =
  /** Cron with seconds, in an IANA time zone; right over changes of the clock. */
  | { readonly kind: 'cron'; readonly expression: string; readonly timeZone: string }
  | { readonly kind: 'interval'; readonly everyMs: number; readonly offsetMs?: number | undefined }

/** What a tick starts; ids are derived from the schedule and the tick. */
export type ScheduledWork =
  | { readonly kind: 'execution'; readonly spec: Omit<ExecutionSpec, 'id'> }
  | {
      readonly kind: 'flow'
      /** Nodes by name instead of by id. */
      readonly nodes: readonly (Omit<FlowNode, 'id' | 'name'> & { readonly name: string })[]
      readonly edges: readonly (Pick<FlowEdge, 'as'> & { readonly from: string; readonly to: string })[]
    }

export interface PutSchedule extends Scoped {
  readonly scheduleId: ScheduleId
  readonly label: string
  readonly timing: ScheduleTiming
  readonly work: ScheduledWork
  readonly overlap: OverlapPolicy
  /** Each fire is moved by up to this, deterministically per tick. */
  readonly jitterMs?: number | undefined
  /** How far back ticks that were missed are caught up. */
  readonly catchUpMs?: number | undefined
}

export interface GetSchedule extends Scoped {
  readonly scheduleId: ScheduleId
}

export interface Schedule extends Omit<PutSchedule, 'namespace' | 'scheduleId'> {
  readonly id: ScheduleId
  readonly paused: boolean
  readonly lastFireAtMs: number | null
  readonly nextFireAtMs: number | null
  readonly running: readonly (ExecutionId | FlowId)[]
}

export interface ListSchedules extends Scoped, PageRequest {}

export interface PauseSchedule extends GetSchedule {
  readonly paused: boolean
  readonly reason?: string | undefined
}

export interface TriggerSchedule extends GetSchedule {
  readonly triggerKey: string
  /** Absent: once, now. */
  readonly backfill?: { readonly fromMs: number; readonly toMs: number } | undefined
}

export interface ScheduleFireItem {
  readonly outcome: 'started' | 'skipped' | 'buffered' | 'lost_race' | 'error'
  readonly scheduleId: ScheduleId
  readonly tickMs: number
  readonly started: ExecutionId | FlowId | null
  readonly code?: string | undefined
}
