import {
  checkGetSchedule,
  checkListSchedules,
  checkPauseSchedule,
  checkPutSchedule,
  checkScanRequest,
  checkTriggerSchedule,
  engineError,
  homeOf,
  jitterOf,
  limits,
  makePartitionTag,
  type PutSchedule,
  quotaPartition,
  readPlace,
  type Schedule,
  type ScheduleFireItem,
  type ScheduleOperations,
  type ScheduleSummary,
  type ScheduleTiming,
  type TriggerSchedule,
  type TriggerScheduleOutcome,
  tickId,
  ticksOf,
  triggerId,
  writePlace,
} from '@flowfabric/core'
import { hint } from './feed.js'
import { fire, type Start, startNow } from './schedule-firing.js'
import {
  findSchedule,
  hasEnded,
  nextFire,
  noteDue,
  type ScheduleRecord,
  scheduleKey,
  schedulesIn,
} from './schedule-records.js'
import { type Model, operate } from './store.js'

export function createSchedules(model: Model): ScheduleOperations {
  return {
    put: (params) =>
      operate(model, () => {
        checkPutSchedule(params, model.partitions)
        const key = scheduleKey(params.namespace, params.scheduleId)
        const outcome = model.schedules.has(key) ? ('replaced' as const) : ('created' as const)
        const known = model.schedules.get(key)
        const schedule = known === undefined ? newSchedule(model, params) : redefine(model, known, params)
        model.schedules.set(key, schedule)
        changed(model, schedule)
        return { outcome, schedule: view(schedule) }
      }),

    get: (params) =>
      operate(model, () => {
        checkGetSchedule(params)
        const schedule = findSchedule(model, params.namespace, params.scheduleId)
        const running = view(schedule).running.filter((id) => !hasEnded(model, id))
        return {
          outcome: 'found' as const,
          schedule: { ...view(schedule), running },
          nextFiresMs: nextFires(schedule),
        }
      }),

    list: (params) =>
      operate(model, () => {
        checkListSchedules(params)
        const after = params.cursor === undefined ? undefined : readPlace(params.cursor)
        const own = [...model.schedules.values()].filter(({ namespace }) => namespace === params.namespace)
        const sorted = own.sort((a, b) => Buffer.compare(placeOf(a), placeOf(b)))
        const rest = sorted.filter(
          (each) =>
            after === undefined ||
            Buffer.compare(placeOf(each), placeOf({ label: after.label, id: after.scheduleId })) > 0,
        )
        const page = rest.slice(0, params.limit ?? limits.pageSizeDefault)
        const last = page.at(-1)
        const isLast = last === undefined || page.length === rest.length
        return {
          items: page.map(summarise),
          nextCursor: isLast ? null : writePlace({ label: last.label, scheduleId: last.id }),
        }
      }),

    delete: (params) =>
      operate(model, () => {
        checkGetSchedule(params)
        const isGone = model.schedules.delete(scheduleKey(params.namespace, params.scheduleId))
        return { outcome: isGone ? ('deleted' as const) : ('not_found' as const) }
      }),

    pause: (params) =>
      operate(model, () => {
        checkPauseSchedule(params)
        const schedule = findSchedule(model, params.namespace, params.scheduleId)
        if (schedule.paused === params.paused) return { outcome: 'unchanged' as const }
        schedule.paused = params.paused
        schedule.pauseReason = params.paused ? (params.reason ?? null) : null
        if (!params.paused) schedule.cursorMs = Math.max(schedule.cursorMs, model.clock.nowMs())
        changed(model, schedule)
        return { outcome: params.paused ? ('paused' as const) : ('resumed' as const) }
      }),

    trigger: (params) =>
      operate(model, () => {
        checkTriggerSchedule(params)
        return trigger(model, findSchedule(model, params.namespace, params.scheduleId), params)
      }),

    fireDue: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions, 'quota')
        const nowMs = model.clock.nowMs()
        const all = schedulesIn(model, params.partition)
        const due = all
          .filter(({ dueAtMs }) => dueAtMs !== null && dueAtMs <= nowMs)
          .sort((a, b) => (a.dueAtMs ?? 0) - (b.dueAtMs ?? 0) || (keyOf(a) < keyOf(b) ? -1 : 1))
          .slice(0, params.max)
        const room = Math.min(
          Math.max(Math.floor(params.max / Math.max(due.length, 1)), 1),
          limits.scheduleTicksPerCall,
        )
        const fired = due.map((schedule) => fire(model, schedule, room))
        const times = all.flatMap(({ dueAtMs }) => (dueAtMs === null ? [] : [dueAtMs]))
        return {
          items: fired.flatMap(({ items }) => items),
          ...(times.length === 0 ? {} : { nextDueAtMs: Math.min(...times) }),
          more: due.length === params.max || fired.some(({ more }) => more),
        }
      }),
  }
}

function newSchedule(model: Model, params: PutSchedule): ScheduleRecord {
  const { namespace, scheduleId, work } = params
  const nowMs = model.clock.nowMs()
  return {
    ...definitionOf(params),
    namespace,
    id: scheduleId,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    home: homeOf({ namespace, scheduleId }, work, model.partitions.flow),
    paused: false,
    pauseReason: null,
    cursorMs: nowMs,
    lastFireAtMs: null,
    running: [],
    buffered: [],
    backfills: [],
    lookAtMs: null,
    triggers: [],
    lastRefusal: null,
    dueAtMs: null,
  }
}

/** What it has been through stands; ticks of another timing count from now on. */
function redefine(model: Model, schedule: ScheduleRecord, params: PutSchedule): ScheduleRecord {
  const nowMs = model.clock.nowMs()
  if (meaningOf(schedule.timing) !== meaningOf(params.timing)) schedule.cursorMs = nowMs
  return Object.assign(schedule, definitionOf(params), { updatedAtMs: nowMs })
}

function definitionOf(params: PutSchedule) {
  const { label, timing, work, overlap = 'skip', jitterMs = 0 } = params
  const catchUpMs = params.catchUpMs ?? limits.scheduleCatchUpMsDefault
  return { label, timing, work, overlap, jitterMs, catchUpMs }
}

function meaningOf(timing: ScheduleTiming): string {
  return timing.kind === 'cron'
    ? `${timing.expression} in ${timing.timeZone}`
    : `${timing.everyMs} from ${timing.offsetMs ?? 0}`
}

function trigger(model: Model, schedule: ScheduleRecord, params: TriggerSchedule): TriggerScheduleOutcome {
  const nowMs = model.clock.nowMs()
  const remembered = schedule.triggers.filter(({ atMs }) => atMs > nowMs - limits.scheduleTriggerKeyTtlMs)
  const known = remembered.find(({ key }) => key === params.triggerKey)
  if (known !== undefined) {
    const isSame =
      known.range?.fromMs === params.backfill?.fromMs && known.range?.toMs === params.backfill?.toMs
    return isSame
      ? { outcome: 'duplicate', started: known.started, refused: [] }
      : { outcome: 'idempotency_conflict' }
  }
  const starts =
    params.backfill === undefined
      ? fireByHand(model, schedule, params)
      : backfill(model, schedule, params, params.backfill)
  const used = {
    key: params.triggerKey,
    atMs: nowMs,
    range: params.backfill,
    started: starts.map(({ id }) => id),
  }
  schedule.triggers = [...remembered, used].slice(-limits.scheduleTriggersKept)
  const items: ScheduleFireItem[] = []
  if (params.backfill === undefined) for (const start of starts) startNow(model, schedule, start, items)
  noteDue(model, schedule)
  items.push(...fire(model, schedule, limits.scheduleTicksPerCall).items)
  changed(model, schedule)
  const codes = new Map(
    items.flatMap(({ tickMs, code, outcome }) => (outcome === 'refused' ? [[tickMs, code ?? '']] : [])),
  )
  return {
    outcome: 'triggered',
    started: starts.filter(({ tickMs }) => !codes.has(tickMs)).map(({ id }) => id),
    refused: starts.flatMap(({ tickMs }) => {
      const code = codes.get(tickMs)
      return code === undefined ? [] : [{ tickMs, code }]
    }),
  }
}

function fireByHand(model: Model, schedule: ScheduleRecord, { triggerKey }: TriggerSchedule): Start[] {
  const tickMs = model.clock.nowMs()
  const id = triggerId(nameOf(schedule), schedule.work.kind, schedule.home, triggerKey)
  let running = schedule.running.filter((each) => each.id !== id)
  if (running.length >= limits.scheduleRunningMax && schedule.overlap !== 'allow_all') {
    running = running.filter((each) => !hasEnded(model, each.id))
    requireBelow(running.length, limits.scheduleRunningMax, 'running')
  }
  schedule.running = [...running, { id, startedAtMs: tickMs }].slice(-limits.scheduleRunningMax)
  schedule.lastFireAtMs = tickMs
  return [{ id, tickMs, triggerKey }]
}

function backfill(
  model: Model,
  schedule: ScheduleRecord,
  { triggerKey }: TriggerSchedule,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Start[] {
  if (toMs > model.clock.nowMs()) throw engineError('invalid_params', 'toMs is in the future', { issues: [] })
  requireBelow(schedule.backfills.length, limits.scheduleBackfillsMax, 'backfills')
  const ticks = [...ticksOf(schedule.timing, fromMs - 1, toMs, limits.scheduleBackfillTicksMax + 1)]
  requireBelow(ticks.length, limits.scheduleBackfillTicksMax + 1, 'ticks')
  if (ticks.length > 0) schedule.backfills.push({ triggerKey, ticks: [...ticks] })
  const { work, home } = schedule
  return ticks.map((tickMs) => ({ tickMs, id: tickId(nameOf(schedule), work.kind, home, tickMs) }))
}

function requireBelow(actual: number, max: number, field: string): void {
  if (actual >= max) throw engineError('limit_exceeded', `too many ${field}`, { max, actual, field })
}

function changed(model: Model, schedule: ScheduleRecord): void {
  noteDue(model, schedule)
  if (schedule.dueAtMs === null) return
  const partition = makePartitionTag(
    'quota',
    quotaPartition(schedule.namespace, schedule.id, model.partitions.quota),
  )
  hint(model, { type: 'due', partition, dueAtMs: schedule.dueAtMs })
}

function nextFires(schedule: ScheduleRecord): number[] {
  const { paused, timing, cursorMs, id, jitterMs } = schedule
  if (paused) return []
  const ticks = ticksOf(timing, cursorMs, Number.POSITIVE_INFINITY, limits.scheduleNextFires)
  return ticks.map((tick) => tick + jitterOf(id, tick, jitterMs))
}

function view(schedule: ScheduleRecord): Schedule {
  return { ...summarise(schedule), work: schedule.work }
}

function summarise(schedule: ScheduleRecord): ScheduleSummary {
  const { id, label, timing, overlap, jitterMs, catchUpMs, paused, pauseReason, createdAtMs, updatedAtMs } =
    schedule
  return {
    id,
    label,
    timing,
    overlap,
    jitterMs,
    catchUpMs,
    paused,
    pauseReason,
    createdAtMs,
    updatedAtMs,
    lastFireAtMs: schedule.lastFireAtMs,
    nextFireAtMs: nextFire(schedule),
    running: schedule.running.map((each) => each.id),
    bufferedMs: [...schedule.buffered],
    backfills: schedule.backfills.map(({ triggerKey, ticks }) => ({ triggerKey, ticksLeft: ticks.length })),
    lastRefusal: schedule.lastRefusal,
  }
}

const nameOf = ({ namespace, id }: ScheduleRecord) => ({ namespace, scheduleId: id })
const keyOf = ({ namespace, id }: ScheduleRecord) => `${namespace}/${id}`
const placeOf = ({ label, id }: Pick<ScheduleRecord, 'label' | 'id'>) => Buffer.from(`${label}\0${id}`)
