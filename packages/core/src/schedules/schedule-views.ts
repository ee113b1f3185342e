import type { Schedule, ScheduleSummary } from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import { isScheduleId } from '../ids/index.js'
import { limits } from '../limits.js'
import { nextFireOf } from './decide.js'
import type { StoredSchedule } from './record.js'
import type { SchedulePlace } from './schedule-store.js'
import { jitterOf, ticksOf } from './ticks.js'

export function showSchedule(stored: StoredSchedule): Schedule {
  return { ...showSummary(stored), work: stored.work }
}

export function showSummary(stored: Omit<StoredSchedule, 'work'>): ScheduleSummary {
  const { scheduleId, definition, progress } = stored
  return {
    id: scheduleId,
    ...definition,
    paused: progress.paused,
    pauseReason: progress.pauseReason,
    createdAtMs: progress.createdAtMs,
    updatedAtMs: progress.updatedAtMs,
    lastFireAtMs: progress.lastFireAtMs,
    nextFireAtMs: nextFireOf(stored),
    running: progress.running.map(({ id }) => id),
    bufferedMs: progress.buffered,
    backfills: progress.backfills.map(({ triggerKey, ticks }) => ({ triggerKey, ticksLeft: ticks.length })),
    lastRefusal: progress.lastRefusal,
  }
}

/** When the next ticks fire. */
export function upcomingFires({ scheduleId, definition, progress }: StoredSchedule): readonly number[] {
  if (progress.paused) return []
  const { timing, jitterMs } = definition
  const ticks = ticksOf(timing, progress.cursorMs, Number.POSITIVE_INFINITY, limits.scheduleNextFires)
  return ticks.map((tick) => tick + jitterOf(scheduleId, tick, jitterMs))
}

/** A cursor: behind which schedule the listing goes on. */
export function writePlace({ label, scheduleId }: SchedulePlace): string {
  return Buffer.from(JSON.stringify([label, scheduleId])).toString('base64url')
}

/** Throws `invalid_cursor`. */
export function readPlace(cursor: string): SchedulePlace {
  try {
    const [label, scheduleId] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as readonly unknown[]
    if (typeof label === 'string' && isScheduleId(scheduleId)) return { label, scheduleId }
  } catch {
    // Whatever it is, no page gave it.
  }
  throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
}
