import type { ScanRequest, ScanResult } from '../contract/conventions.js'
import type { Hint } from '../contract/events.js'
import type {
  ListSchedules,
  PauseSchedule,
  PutSchedule,
  ScheduleFireItem,
  ScheduleOperations,
} from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { makePartitionTag, quotaPartition } from '../partitions/index.js'
import { checkScanRequest } from '../validation/scans.js'
import {
  checkGetSchedule,
  checkListSchedules,
  checkPauseSchedule,
  checkPutSchedule,
  checkTriggerSchedule,
} from '../validation/schedules.js'
import { dueAtOf, hasUnconfirmed } from './decide.js'
import type { ScheduleDefinition, ScheduleProgress, StoredSchedule } from './record.js'
import { recordText } from './record-text.js'
import {
  advance,
  createScheduleRunner,
  failedItem,
  readSchedule,
  requireSchedule,
  type ScheduleRunner,
  type TakenOn,
  untilWritten,
} from './schedule-runner.js'
import type { ScheduleRow, ScheduleStore } from './schedule-store.js'
import { readPlace, showSchedule, showSummary, upcomingFires, writePlace } from './schedule-views.js'
import { homeOf } from './scheduled-ids.js'
import { findEnded, type ScheduledRoles } from './scheduled-starter.js'
import { nextTickOf } from './ticks.js'
import { triggerSchedule } from './trigger.js'

/** What one try of an operation answers: nothing where somebody else was quicker. */
type Answer<Name extends keyof ScheduleOperations> = Promise<
  Awaited<ReturnType<ScheduleOperations[Name]>> | undefined
>

/** What the role is made of: a store of records, and the store's own executions and flows. */
export interface ScheduleParts extends ScheduledRoles {
  readonly store: ScheduleStore
  /** Tells this process, and others where that is possible, that a schedule may be due earlier. */
  announce(hint: Hint): void
}

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

async function putOnce(
  parts: ScheduleParts,
  runner: ScheduleRunner,
  params: PutSchedule,
  flowCount: number,
): Answer<'put'> {
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

/**
 * Carries out what the record holds. True: it held something, so that what is to be written must be decided on anew. Throws
 * `contention` where it could not.
 */
async function hadToConfirm(
  runner: ScheduleRunner,
  schedule: StoredSchedule,
  nowMs: number,
): Promise<boolean> {
  if (!hasUnconfirmed(schedule.progress)) return false
  const { isOpen, items } = await runner.confirm(schedule, nowMs)
  if (!isOpen) return true
  const code = items.find(({ outcome }) => outcome === 'error')?.code
  throw engineError('contention', `A start of schedule ${schedule.scheduleId} is still on its way: ${code}`)
}

async function announceDue(
  parts: ScheduleParts,
  { namespace, scheduleId }: StoredSchedule,
  dueAtMs: number | null,
): Promise<void> {
  if (dueAtMs === null) return
  const { quota } = await parts.partitions()
  const partition = makePartitionTag('quota', quotaPartition(namespace, scheduleId, quota))
  parts.announce({ type: 'due', partition, dueAtMs })
}

async function fireDue(
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
  row: ScheduleRow & { readonly work: string },
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
  await store.write({ namespace, scheduleId, expected, dueAtMs, progress })
  const tickMs = row.dueAtMs ?? nowMs
  const item = { outcome: 'error' as const, scheduleId, tickMs, started: null, code: 'corruption' }
  return { items: [item], dueAtMs, more: false }
}

/** Schedules that one call works on side by side. */
const AT_ONCE = 16
const BROKEN_AGAIN_MS = 60_000
