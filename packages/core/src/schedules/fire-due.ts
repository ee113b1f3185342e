import type { ScanRequest, ScanResult } from '../contract/conventions.js'
import type { ScheduleFireItem } from '../contract/schedules.js'
import { isEngineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import type { StoredSchedule } from './record.js'
import { recordText } from './record-text.js'
import { failedItem, type ScheduleRunner, type TakenOn } from './schedule-runner.js'
import type { FullScheduleRow, ScheduleRow, ScheduleStore } from './schedule-store.js'

/** Takes on what is due in a partition, some schedules side by side. */
export async function fireDue(
  store: ScheduleStore,
  runner: ScheduleRunner,
  partition: number,
  { max }: ScanRequest,
): Promise<ScanResult<ScheduleFireItem>> {
  const { nowMs, rows, nextDueAtMs } = await store.due({ partition, max })
  const room = Math.min(Math.max(Math.floor(max / Math.max(rows.length, 1)), 1), limits.scheduleTicksPerCall)
  const taken: TakenOn[] = []
  const waiting = [...rows.entries()]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [place, row] = next
      taken[place] = await takeRowOn(store, runner, row, nowMs, room)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, rows.length) }, work))
  const dueTimes = [nextDueAtMs, ...taken.map(({ dueAtMs }) => dueAtMs)].filter((atMs) => atMs !== null)
  return {
    items: taken.flatMap(({ items }) => items),
    ...(dueTimes.length === 0 ? {} : { nextDueAtMs: Math.min(...dueTimes) }),
    more: rows.length === max || taken.some(({ more }) => more),
  }
}

/** One schedule that fails leaves its neighbours unharmed. */
async function takeRowOn(
  store: ScheduleStore,
  runner: ScheduleRunner,
  row: FullScheduleRow,
  nowMs: number,
  room: number,
): Promise<TakenOn> {
  let schedule: StoredSchedule
  try {
    schedule = recordText.read(row)
  } catch {
    return putOff(store, row, nowMs)
  }
  try {
    return await runner.takeOn(schedule, nowMs, room)
  } catch (error) {
    return { items: [failedItem(schedule, error)], dueAtMs: null, more: false }
  }
}

/** A record that does not decode is looked at seldom, so that it does not stand before others for ever. Its texts stay. */
async function putOff(store: ScheduleStore, row: ScheduleRow, nowMs: number): Promise<TakenOn> {
  const { namespace, scheduleId, version: expected, progress } = row
  const dueAtMs = nowMs + BROKEN_AGAIN_MS
  try {
    await store.write({ namespace, scheduleId, expected, dueAtMs, progress, mayBeLost: true })
  } catch (error) {
    // A record that cannot even be written is left as it is; the others are not.
    if (!isEngineError(error)) throw error
  }
  const tickMs = row.dueAtMs ?? nowMs
  const item = { outcome: 'error' as const, scheduleId, tickMs, started: null, code: 'corruption' }
  return { items: [item], dueAtMs, more: false }
}

/** Schedules that one call works on side by side. */
const AT_ONCE = 16
const BROKEN_AGAIN_MS = 60_000
