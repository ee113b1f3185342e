import type { PutSchedule, ScheduleOperations } from '../contract/schedules.js'
import { limits } from '../limits.js'
import { dueAtOf } from './decide.js'
import type { ScheduleDefinition, ScheduleProgress, StoredSchedule } from './record.js'
import { recordText } from './record-text.js'
import { announceDue, type ScheduleParts } from './schedule-parts.js'
import { hadToConfirm, readSchedule, type ScheduleRunner } from './schedule-runner.js'
import { showSchedule } from './schedule-views.js'
import { homeOf } from './scheduled-ids.js'
import { nextTickOf } from './ticks.js'

/** One try to create or replace a schedule: nothing where somebody else was quicker. */
export async function putOnce(
  parts: ScheduleParts,
  runner: ScheduleRunner,
  params: PutSchedule,
  flowCount: number,
): Promise<Awaited<ReturnType<ScheduleOperations['put']>> | undefined> {
  const { store } = parts
  const { namespace, scheduleId, work } = params
  const definition = definitionOf(params)
  const { nowMs, schedule } = await readSchedule(store, params)
  // What was decided by the old work is carried out by the old work.
  if (schedule !== undefined && (await hadToConfirm(runner, schedule, nowMs))) return undefined
  const progress =
    schedule === undefined
      ? firstProgress(definition, homeOf(params, work, flowCount), nowMs)
      : keptProgress(schedule, definition, nowMs)
  const expected = schedule?.version ?? null
  const put: StoredSchedule = {
    namespace,
    scheduleId,
    version: (expected ?? 0) + 1,
    dueAtMs: dueAtOf({ namespace, scheduleId, definition, progress }, nowMs),
    definition,
    work,
    progress,
  }
  const isWritten = await store.write({
    namespace,
    scheduleId,
    expected,
    dueAtMs: put.dueAtMs,
    progress: recordText.ofProgress(progress),
    put: {
      label: definition.label,
      definition: recordText.ofDefinition(definition),
      work: recordText.ofWork(work),
    },
  })
  if (!isWritten) return undefined
  await announceDue(parts, put, put.dueAtMs)
  return { outcome: schedule === undefined ? 'created' : 'replaced', schedule: showSchedule(put) }
}

function definitionOf(params: PutSchedule): ScheduleDefinition {
  const { label, timing, overlap = 'skip', jitterMs = 0 } = params
  return { label, timing, overlap, jitterMs, catchUpMs: params.catchUpMs ?? limits.scheduleCatchUpMsDefault }
}

function firstProgress(definition: ScheduleDefinition, home: number, nowMs: number): ScheduleProgress {
  return {
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    paused: false,
    pauseReason: null,
    home,
    cursorMs: nowMs,
    nextTickMs: nextTickOf(definition.timing, nowMs),
    lastFireAtMs: null,
    running: [],
    buffered: [],
    backfills: [],
    lookAtMs: null,
    cancels: [],
    starts: [],
    triggers: [],
    lastRefusal: null,
  }
}

/** Ticks of another timing count from now on. */
function keptProgress(
  { definition: before, progress }: StoredSchedule,
  definition: ScheduleDefinition,
  nowMs: number,
): ScheduleProgress {
  const kept = { ...progress, updatedAtMs: nowMs }
  if (isSameTiming(before.timing, definition.timing)) return kept
  return { ...kept, cursorMs: nowMs, nextTickMs: nextTickOf(definition.timing, nowMs) }
}

function isSameTiming(a: ScheduleDefinition['timing'], b: ScheduleDefinition['timing']): boolean {
  if (a.kind === 'cron')
    return b.kind === 'cron' && a.expression === b.expression && a.timeZone === b.timeZone
  return b.kind === 'interval' && a.everyMs === b.everyMs && (a.offsetMs ?? 0) === (b.offsetMs ?? 0)
}
