import type { ListSchedules, PauseSchedule, ScheduleOperations } from '../contract/schedules.js'
import { limits } from '../limits.js'
import { checkScanRequest } from '../validation/scans.js'
import {
  checkGetSchedule,
  checkListSchedules,
  checkPauseSchedule,
  checkPutSchedule,
  checkTriggerSchedule,
} from '../validation/schedules.js'
import { fireDue } from './fire-due.js'
import { putOnce } from './put-schedule.js'
import type { ScheduleProgress, StoredSchedule } from './record.js'
import { recordText } from './record-text.js'
import { announceDue, type ScheduleParts } from './schedule-parts.js'
import {
  advance,
  createScheduleRunner,
  hadToConfirm,
  readSchedule,
  requireSchedule,
  untilWritten,
} from './schedule-runner.js'
import { readPlace, showSchedule, showSummary, upcomingFires, writePlace } from './schedule-views.js'
import { findEnded } from './scheduled-starter.js'
import { nextTickOf } from './ticks.js'
import { triggerSchedule } from './trigger.js'

/** What one try of an operation answers: nothing where somebody else was quicker. */
type Answer<Name extends keyof ScheduleOperations> = Promise<
  Awaited<ReturnType<ScheduleOperations[Name]>> | undefined
>

/**
 * The role `schedules` over any store: what is due and what follows is decided here, and a store only keeps records and
 * writes them on condition.
 */
export function createScheduleOperations(parts: ScheduleParts): ScheduleOperations {
  const { store } = parts
  const runner = createScheduleRunner(store, parts)
  return {
    async put(params) {
      const counts = await parts.partitions()
      checkPutSchedule(params, counts)
      return untilWritten(params, () => putOnce(parts, runner, params, counts.flow))
    },

    async get(params) {
      checkGetSchedule(params)
      const { schedule } = await requireSchedule(store, params)
      const { namespace, progress } = schedule
      const ended = await findEnded(
        parts,
        namespace,
        progress.running.map(({ id }) => id),
      )
      // What is about to start has no record yet, and has not ended.
      const starting = new Set(progress.starts.map(({ id }) => id))
      const running = progress.running.filter(({ id }) => starting.has(id) || !ended.has(id))
      const shown = { ...schedule, progress: { ...progress, running } }
      return { outcome: 'found', schedule: showSchedule(shown), nextFiresMs: upcomingFires(schedule) }
    },

    async list(params: ListSchedules) {
      checkListSchedules(params)
      const limit = params.limit ?? limits.pageSizeDefault
      const after = params.cursor === undefined ? undefined : readPlace(params.cursor)
      const rows = await store.list({ namespace: params.namespace, after, limit: limit + 1 })
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map((row) => showSummary(recordText.readSummary(row))),
        nextCursor: rows.length > limit && last !== undefined ? writePlace(last) : null,
      }
    },

    async delete(params) {
      checkGetSchedule(params)
      return untilWritten(params, async (): Answer<'delete'> => {
        const { nowMs, schedule } = await readSchedule(store, params)
        if (schedule === undefined) return { outcome: 'not_found' }
        if (await hadToConfirm(runner, schedule, nowMs)) return undefined
        const { namespace, scheduleId, version: expected } = schedule
        const isRemoved = await store.remove({ namespace, scheduleId, expected })
        return isRemoved ? { outcome: 'deleted' } : undefined
      })
    },

    async pause(params) {
      checkPauseSchedule(params)
      return untilWritten(params, async (): Answer<'pause'> => {
        const { nowMs, schedule } = await requireSchedule(store, params)
        if (schedule.progress.paused === params.paused) return { outcome: 'unchanged' }
        const written = await advance(store, schedule, withPause(schedule, params, nowMs), nowMs)
        if (written === undefined) return undefined
        await announceDue(parts, written, written.dueAtMs)
        return { outcome: params.paused ? 'paused' : 'resumed' }
      })
    },

    async trigger(params) {
      checkTriggerSchedule(params)
      const { answer, due } = await triggerSchedule({ store, roles: parts, runner }, params)
      if (due !== undefined) await announceDue(parts, due.schedule, due.atMs)
      return answer
    },

    async fireDue(params) {
      const partition = checkScanRequest(params, await parts.partitions(), 'quota')
      return fireDue(store, runner, partition, params)
    },
  }
}

/** Who goes on begins with what comes. */
function withPause(
  { definition, progress }: StoredSchedule,
  { paused, reason }: PauseSchedule,
  nowMs: number,
): ScheduleProgress {
  if (paused) return { ...progress, paused, pauseReason: reason ?? null }
  const cursorMs = Math.max(progress.cursorMs, nowMs)
  return {
    ...progress,
    paused,
    pauseReason: null,
    cursorMs,
    nextTickMs: nextTickOf(definition.timing, cursorMs),
  }
}
