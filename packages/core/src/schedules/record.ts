import type {
  OverlapPolicy,
  ScheduledId,
  ScheduledWork,
  ScheduleSummary,
  ScheduleTiming,
} from '../contract/schedules.js'
import type { ScheduleId } from '../ids/index.js'
import type { Namespace } from '../names.js'

/** What its owner says of a schedule, defaults filled in. */
export interface ScheduleDefinition {
  readonly label: string
  readonly timing: ScheduleTiming
  readonly overlap: OverlapPolicy
  readonly jitterMs: number
  readonly catchUpMs: number
}

/** A start that was decided on. */
export interface ScheduledStart {
  readonly id: ScheduledId
  readonly tickMs: number
  /** Of a fire by hand, or of a backfill: forgotten where the start is refused. */
  readonly triggerKey?: string | undefined
}

export interface RunningWork {
  readonly id: ScheduledId
  readonly startedAtMs: number
}

export interface ScheduleBackfill {
  readonly triggerKey: string
  /** What is left of it, ascending. */
  readonly ticks: readonly number[]
}

/** A trigger key that was used, and what its ids follow from. */
export interface UsedTrigger {
  readonly key: string
  readonly atMs: number
  readonly kind: ScheduledWork['kind']
  readonly backfill?:
    | { readonly fromMs: number; readonly toMs: number; readonly timing: ScheduleTiming }
    | undefined
}

/** How far a schedule has come. Each change of it is one conditional write. */
export interface ScheduleProgress {
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly paused: boolean
  readonly pauseReason: string | null
  /** Flow partition of the executions that it starts. */
  readonly home: number
  /** Ticks up to here are taken, or will never be. */
  readonly cursorMs: number
  readonly nextTickMs: number | null
  readonly lastFireAtMs: number | null
  /** What was started, or is about to be, and is not known to have ended; oldest first. */
  readonly running: readonly RunningWork[]
  readonly buffered: readonly number[]
  readonly backfills: readonly ScheduleBackfill[]
  /** When to look whether what waits may start. */
  readonly lookAtMs: number | null
  /** Decided and not known to have been carried out: whoever meets them carries them out, cancels first. */
  readonly cancels: readonly ScheduledId[]
  readonly starts: readonly ScheduledStart[]
  readonly triggers: readonly UsedTrigger[]
  readonly lastRefusal: ScheduleSummary['lastRefusal']
}

/** A schedule as it is stored, decoded. */
export interface StoredSchedule {
  readonly namespace: Namespace
  readonly scheduleId: ScheduleId
  /** Raised by every write: a write names the version that it was decided on. */
  readonly version: number
  /** When a runner has to look at it; `null` is never. */
  readonly dueAtMs: number | null
  readonly definition: ScheduleDefinition
  readonly work: ScheduledWork
  readonly progress: ScheduleProgress
}
