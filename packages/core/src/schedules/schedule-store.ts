import type { ScheduleId } from '../ids/index.js'
import type { Namespace } from '../names.js'

/** A schedule's record as a store keeps it: texts that it does not look into, and what it finds them by. */
export interface ScheduleRow {
  readonly namespace: Namespace
  readonly scheduleId: ScheduleId
  readonly label: string
  readonly version: number
  readonly dueAtMs: number | null
  readonly definition: string
  readonly progress: string
}

export interface FullScheduleRow extends ScheduleRow {
  readonly work: string
}

export interface ScheduleWrite {
  readonly namespace: Namespace
  readonly scheduleId: ScheduleId
  /** The version that it must be at; `null`: there must be none. */
  readonly expected: number | null
  readonly dueAtMs: number | null
  readonly progress: string
  /** Whoever finds the record as it was before does the same again, so that its answer waits for no durability. */
  readonly mayBeLost?: boolean | undefined
  /** Absent: they stay. */
  readonly put?: { readonly label: string; readonly definition: string; readonly work: string } | undefined
}

/** Where a page of a listing goes on: behind this one, by label (as UTF-8), then id. */
export interface SchedulePlace {
  readonly label: string
  readonly scheduleId: ScheduleId
}

/** What the schedules' role needs of a store: records by id, and who is due. Every call is one step in one partition. */
export interface ScheduleStore {
  read(params: {
    readonly namespace: Namespace
    readonly scheduleId: ScheduleId
  }): Promise<{ readonly nowMs: number; readonly row: FullScheduleRow | undefined }>

  /** Whether it was written: the record stood as expected. */
  write(change: ScheduleWrite): Promise<boolean>

  remove(params: {
    readonly namespace: Namespace
    readonly scheduleId: ScheduleId
    readonly expected: number
  }): Promise<boolean>

  /** Those that are due in a partition of the quota family, the longest due first, and when the next of the others is. */
  due(params: { readonly partition: number; readonly max: number }): Promise<{
    readonly nowMs: number
    readonly rows: readonly FullScheduleRow[]
    readonly nextDueAtMs: number | null
  }>

  /** By label, then id. */
  list(params: {
    readonly namespace: Namespace
    readonly after: SchedulePlace | undefined
    readonly limit: number
  }): Promise<readonly ScheduleRow[]>
}
