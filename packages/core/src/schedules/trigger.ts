import type { ScheduledId, TriggerSchedule, TriggerScheduleOutcome } from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { invalidParam } from '../validation/fields.js'
import type { ScheduleProgress, StoredSchedule, UsedTrigger } from './record.js'
import { advance, requireSchedule, type ScheduleRunner, untilWritten } from './schedule-runner.js'
import type { ScheduleStore } from './schedule-store.js'
import { tickId, triggerId } from './scheduled-ids.js'
import { findEnded, type ScheduledRoles } from './scheduled-starter.js'
import { ticksOf } from './ticks.js'

export interface TriggerParts {
  readonly store: ScheduleStore
  readonly roles: ScheduledRoles
  readonly runner: ScheduleRunner
}

export interface Triggered {
  readonly answer: TriggerScheduleOutcome
  /** The schedule is due then because of it. */
  readonly due?: { readonly schedule: StoredSchedule; readonly atMs: number | null } | undefined
}

/**
 * Takes a trigger key and what it starts into the record, in one write, and then goes on as a runner does: what a caller that
 * dies in between leaves, any runner finishes.
 */
export async function triggerSchedule(parts: TriggerParts, params: TriggerSchedule): Promise<Triggered> {
  const taken = await untilWritten(params, () => takeIn(parts, params))
  if ('answer' in taken) return taken
  const { schedule, nowMs, fires } = taken
  const { items, dueAtMs } = await parts.runner.takeOn(schedule, nowMs, limits.scheduleTicksPerCall)
  const codes = new Map(
    items.flatMap(({ outcome, tickMs, code = '' }) =>
      outcome === 'refused' ? [[tickMs, code] as const] : [],
    ),
  )
  const started = fires.filter(({ tickMs }) => !codes.has(tickMs)).map(({ id }) => id)
  const refused = fires.flatMap(({ tickMs }) => {
    const code = codes.get(tickMs)
    return code === undefined ? [] : [{ tickMs, code }]
  })
  return { answer: { outcome: 'triggered', started, refused }, due: { schedule, atMs: dueAtMs } }
}

interface Fire {
  readonly id: ScheduledId
  readonly tickMs: number
}

interface TakenIn {
  readonly schedule: StoredSchedule
  readonly nowMs: number
  readonly fires: readonly Fire[]
}

async function takeIn(
  { store, roles }: TriggerParts,
  params: TriggerSchedule,
): Promise<TakenIn | { readonly answer: TriggerScheduleOutcome } | undefined> {
  const { nowMs, schedule } = await requireSchedule(store, params)
  const remembered = schedule.progress.triggers.filter(
    ({ atMs }) => atMs > nowMs - limits.scheduleTriggerKeyTtlMs,
  )
  const known = remembered.find(({ key }) => key === params.triggerKey)
  if (known !== undefined) return { answer: repeat(schedule, known, params) }
  const { progress, fires } =
    params.backfill === undefined
      ? await withFire(roles, schedule, params.triggerKey, nowMs)
      : withBackfill(schedule, params.triggerKey, params.backfill, nowMs)
  const used: UsedTrigger = {
    key: params.triggerKey,
    atMs: nowMs,
    kind: schedule.work.kind,
    ...(params.backfill && { backfill: { ...params.backfill, timing: schedule.definition.timing } }),
  }
  const triggers = [...remembered, used].slice(-limits.scheduleTriggersKept)
  const written = await advance(store, schedule, { ...progress, triggers }, nowMs)
  return written && { schedule: written, nowMs, fires }
}

async function withFire(
  roles: ScheduledRoles,
  schedule: StoredSchedule,
  triggerKey: string,
  nowMs: number,
): Promise<{ readonly progress: ScheduleProgress; readonly fires: readonly Fire[] }> {
  const { namespace, definition, work, progress } = schedule
  const id = triggerId(schedule, work.kind, progress.home, triggerKey)
  let running = progress.running.filter((each) => each.id !== id)
  if (running.length >= limits.scheduleRunningMax && definition.overlap !== 'allow_all') {
    const starting = new Set(progress.starts.map((start) => start.id))
    const ids = running.map((each) => each.id).filter((each) => !starting.has(each))
    const ended = await findEnded(roles, namespace, ids)
    running = running.filter((each) => !ended.has(each.id))
    requireBelow(limits.scheduleRunningMax, running.length, 'running')
  }
  return {
    progress: {
      ...progress,
      running: [...running, { id, startedAtMs: nowMs }].slice(-limits.scheduleRunningMax),
      starts: [...progress.starts, { id, tickMs: nowMs, triggerKey }],
      lastFireAtMs: nowMs,
    },
    fires: [{ id, tickMs: nowMs }],
  }
}

function withBackfill(
  schedule: StoredSchedule,
  triggerKey: string,
  { fromMs, toMs }: NonNullable<TriggerSchedule['backfill']>,
  nowMs: number,
): { readonly progress: ScheduleProgress; readonly fires: readonly Fire[] } {
  const { definition, work, progress } = schedule
  if (toMs > nowMs) throw invalidParam('backfill.toMs', 'must not be in the future')
  requireBelow(limits.scheduleBackfillsMax, progress.backfills.length, 'backfills')
  const ticks = ticksOf(definition.timing, fromMs - 1, toMs, limits.scheduleBackfillTicksMax + 1)
  requireBelow(limits.scheduleBackfillTicksMax + 1, ticks.length, 'ticks')
  return {
    progress: ticks.length === 0 ? progress : withTicks(progress, triggerKey, ticks),
    fires: ticks.map((tickMs) => ({ id: tickId(schedule, work.kind, progress.home, tickMs), tickMs })),
  }
}

function withTicks(
  progress: ScheduleProgress,
  triggerKey: string,
  ticks: readonly number[],
): ScheduleProgress {
  return { ...progress, backfills: [...progress.backfills, { triggerKey, ticks }] }
}

/** What the first call under the key started. */
function repeat(
  schedule: StoredSchedule,
  { key, kind, backfill }: UsedTrigger,
  asked: TriggerSchedule,
): TriggerScheduleOutcome {
  const isSame = backfill?.fromMs === asked.backfill?.fromMs && backfill?.toMs === asked.backfill?.toMs
  if (!isSame) return { outcome: 'idempotency_conflict' }
  const { home } = schedule.progress
  if (backfill === undefined) {
    return { outcome: 'duplicate', started: [triggerId(schedule, kind, home, key)], refused: [] }
  }
  const { timing, fromMs, toMs } = backfill
  const ticks = ticksOf(timing, fromMs - 1, toMs, limits.scheduleBackfillTicksMax)
  return {
    outcome: 'duplicate',
    started: ticks.map((tick) => tickId(schedule, kind, home, tick)),
    refused: [],
  }
}

function requireBelow(max: number, actual: number, field: string): void {
  if (actual < max) return
  throw engineError('limit_exceeded', `${field}: there may be no more than the limit`, { max, actual, field })
}
