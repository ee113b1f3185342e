import type { ExecutionId, FlowId, ScheduleId } from '../ids/index.js'
import type { Page, PageRequest, ScanRequest, ScanResult, Scoped } from './conventions.js'
import type { ExecutionSpec } from './executions.js'
import type { FlowEdge, FlowNode } from './flows.js'

/**
 * What starts executions and flows by the clock.
 *
 * A **tick** is a point in time that the timing names. Each tick fires once in a fleet: a conditional write of the
 * schedule's record takes it, with the id of what it starts, which follows from the schedule and the tick alone. The start
 * comes after that write and the record keeps it until it is known to have been carried out, so that a crash in between is
 * repaired by doing it again (`fireDue`, and whoever changes the schedule). Atomic are the writes of the record, each of
 * which is one step. All of it is by the store's time.
 */
export interface ScheduleOperations {
  /**
   * Create or replace. Idempotent by id. What a schedule has been through stands: whether it is paused, what it started, what
   * waits, which ticks were taken. Ticks of another timing count from this call on; an unchanged timing goes on as it was.
   * Throws `invalid_schedule` for a cron text, a zone or an interval that is unusable, and the codes of what it starts;
   * `payload_too_large`, `contention`.
   */
  put(params: PutSchedule): Promise<{ readonly outcome: 'created' | 'replaced'; readonly schedule: Schedule }>

  /** With its next fire times and what of its work still runs now. Throws `schedule_not_found`. */
  get(params: GetSchedule): Promise<{
    readonly outcome: 'found'
    readonly schedule: Schedule
    /** Up to 10, empty while it is paused. What is past already waits for a runner. */
    readonly nextFiresMs: readonly number[]
  }>

  /** By label, then id. A cursor neither skips nor repeats a schedule that keeps its label. Throws `invalid_cursor`. */
  list(params: ListSchedules): Promise<Page<ScheduleSummary>>

  /** What it started goes on; what waits in its buffer or in a backfill never starts. Idempotent. */
  delete(params: GetSchedule): Promise<{ readonly outcome: 'deleted' | 'not_found' }>

  /**
   * Stop firing, or go on. Ticks missed while paused are not caught up; what waits in the buffer waits on. Triggers and
   * backfills are not held up. Atomic, idempotent. Throws `schedule_not_found`.
   */
  pause(params: PauseSchedule): Promise<{ readonly outcome: 'paused' | 'resumed' | 'unchanged' }>

  /**
   * Fire now, or each tick of a past range once: those that started under their tick's id and are still kept are not started
   * again. A fire by hand starts whatever runs, and counts as running from then on. The ticks of a backfill start at once
   * under `allow_all`, and one after the other, oldest first, under every other policy; `fireDue` goes on with those.
   * Idempotent by `triggerKey` for 24 h and the last 100 keys, and beyond that by the ids for as long as what was started is kept.
   * A key whose work was refused is forgotten. Throws `schedule_not_found`, `limit_exceeded` for a range of more than 1000
   * ticks, more than 10 backfills at once, or 100 that run.
   */
  trigger(params: TriggerSchedule): Promise<TriggerScheduleOutcome>

  /**
   * Start what is due, exactly once per tick in a fleet; oldest first, at most `max` ticks. Takes a partition of the quota
   * family. What another runner was quicker with is `lost_race`. Work that is refused, such as by a lane that
   * drains, uses up its tick and nothing else: the next one starts again.
   */
  fireDue(params: ScanRequest): Promise<ScanResult<ScheduleFireItem>>
}

export const overlapPolicies = ['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all'] as const
/**
 * What a tick does while what an earlier one started still runs: nothing; wait, one at most, or up to 1000; cancel what runs
 * and start; start. What waits starts when the store's record shows that the earlier one has ended, which is looked at after an
 * eighth of the time that it has run by then, and at least every 10 s.
 */
export type OverlapPolicy = (typeof overlapPolicies)[number]

export type ScheduleTiming =
  /**
   * Cron of five fields, six with seconds first, or seven with a year last, in an IANA time zone. Where clocks change, a text
   * with a single time of day (`0 30 2 * * *`) fires once that day: at the moment of the change if its time does not exist,
   * and at the first of the two if it exists twice. Any other follows the clock on the wall: what does not exist is left out,
   * and what exists twice fires twice.
   */
  | { readonly kind: 'cron'; readonly expression: string; readonly timeZone: string }
  /** Every `everyMs` (at least 1 s) since the epoch, moved by the offset: it never drifts. */
  | { readonly kind: 'interval'; readonly everyMs: number; readonly offsetMs?: number | undefined }

/**
 * What a tick starts, in the schedule's namespace; ids follow from the schedule and the tick. Each execution is tagged with
 * `schedule.id` and `schedule.tick_ms`. Retention is that of the work.
 */
export type ScheduledWork = ScheduledExecution | ScheduledFlow

export interface ScheduledExecution {
  readonly kind: 'execution'
  readonly spec: Omit<ExecutionSpec, 'id' | 'startAtMs'>
}

export interface ScheduledFlow {
  readonly kind: 'flow'
  readonly name?: string | undefined
  readonly deadlineMs?: number | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Nodes by name instead of by id. */
  readonly nodes: readonly ScheduledNode[]
  readonly edges: readonly (Pick<FlowEdge, 'as'> & { readonly from: string; readonly to: string })[]
}

export type ScheduledNode = Omit<FlowNode, 'id' | 'name' | 'startAtMs'> & { readonly name: string }

/** What one tick started. */
export type ScheduledId = ExecutionId | FlowId

export interface PutSchedule extends Scoped {
  readonly scheduleId: ScheduleId
  /** For people, and what listings are ordered by: 1…128 characters. */
  readonly label: string
  readonly timing: ScheduleTiming
  readonly work: ScheduledWork
  /** Default `skip`. */
  readonly overlap?: OverlapPolicy | undefined
  /** Each fire is up to this later than its tick, always the same for the same tick; never before that of an earlier tick. Default 0, at most a day. */
  readonly jitterMs?: number | undefined
  /** Ticks older than this are not caught up after a downtime: at least 30 s, default 24 h. */
  readonly catchUpMs?: number | undefined
}

export interface GetSchedule extends Scoped {
  readonly scheduleId: ScheduleId
}

/** A schedule without what it starts. */
export interface ScheduleSummary {
  readonly id: ScheduleId
  readonly label: string
  readonly timing: ScheduleTiming
  readonly overlap: OverlapPolicy
  readonly jitterMs: number
  readonly catchUpMs: number
  readonly paused: boolean
  readonly pauseReason: string | null
  readonly createdAtMs: number
  /** When it was put last. */
  readonly updatedAtMs: number
  /** When it last took a tick, or was triggered. */
  readonly lastFireAtMs: number | null
  /** Absent while paused, and where the timing has no further tick. */
  readonly nextFireAtMs: number | null
  /** What it started and is not known to have ended, the latest 100; where nothing but `get` looks (`allow_all`), the latest 100 in all. */
  readonly running: readonly ScheduledId[]
  /** Ticks that wait for what runs. */
  readonly bufferedMs: readonly number[]
  /** Backfills under way, with the ticks that are left of each. */
  readonly backfills: readonly { readonly triggerKey: string; readonly ticksLeft: number }[]
  /** The last tick that could not start, and why. */
  readonly lastRefusal: { readonly tickMs: number; readonly code: string; readonly atMs: number } | null
}

export interface Schedule extends ScheduleSummary {
  readonly work: ScheduledWork
}

export interface ListSchedules extends Scoped, PageRequest {}

export interface PauseSchedule extends GetSchedule {
  readonly paused: boolean
  readonly reason?: string | undefined
}

export interface TriggerSchedule extends GetSchedule {
  readonly triggerKey: string
  /** Absent: once, now. Both ends included; `toMs` is not in the future. */
  readonly backfill?: { readonly fromMs: number; readonly toMs: number } | undefined
}

export type TriggerScheduleOutcome =
  | {
      readonly outcome: 'triggered' | 'duplicate'
      /** Ids of what it started, or will start in turn. */
      readonly started: readonly ScheduledId[]
      /** What was refused so far. */
      readonly refused: readonly { readonly tickMs: number; readonly code: string }[]
    }
  /** The key was used for another range. */
  | { readonly outcome: 'idempotency_conflict' }

/** What became of a tick, or of what another runner left. */
export const scheduleFireOutcomes = [
  'started',
  'skipped',
  'buffered',
  'missed',
  'refused',
  'lost_race',
  'error',
] as const

export interface ScheduleFireItem {
  /**
   * `missed`: it and those after it were older than the catch-up window. `refused`: its work was, by the code; the tick is used
   * up. `error`: the store could not do it, and the next call will try again.
   */
  readonly outcome: (typeof scheduleFireOutcomes)[number]
  readonly scheduleId: ScheduleId
  /** By the timing, not by the clock; where a whole schedule is meant, its next one. */
  readonly tickMs: number
  readonly started: ScheduledId | null
  readonly code?: string | undefined
}
