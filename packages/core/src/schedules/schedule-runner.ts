import type { ScheduleFireItem } from '../contract/schedules.js'
import { engineError, isEngineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { decide, dueAtOf, hasUnconfirmed, needsLook } from './decide.js'
import type { ScheduledStart, ScheduleProgress, StoredSchedule } from './record.js'
import { recordText } from './record-text.js'
import type { ScheduleStore } from './schedule-store.js'
import type { ScheduleName } from './scheduled-ids.js'
import {
  cancelEarlier,
  findEnded,
  type ScheduledRoles,
  type StartOutcome,
  startTicks,
} from './scheduled-starter.js'

/**
 * Takes schedules on, one conditional write after the other. A decision is written with the starts that follow from it
 * (`starts`, `cancels`), then those are carried out, then they are taken off. So the invariant is: whatever was decided stands
 * in the record until it was carried out, by the ids that it will have. A crash anywhere leaves it there, due again after
 * `scheduleStartRepeatMs`, and the next runner repeats it, which changes nothing where it was done.
 */
export interface ScheduleRunner {
  /** What of one is due by that time, at most so many ticks: what is due meanwhile would keep others of its pass waiting. */
  takeOn(schedule: StoredSchedule, nowMs: number, room: number): Promise<TakenOn>
  /** Carries out what the record holds, if anything. Answers the schedule as it stands then, or nothing if it has gone. */
  confirm(schedule: StoredSchedule, nowMs: number): Promise<Confirmed>
}

export interface TakenOn {
  readonly items: readonly ScheduleFireItem[]
  /** When it is due next, as far as this runner knows; `null` is never. */
  readonly dueAtMs: number | null
  readonly more: boolean
}

export interface Confirmed {
  readonly schedule: StoredSchedule | undefined
  readonly nowMs: number
  readonly items: readonly ScheduleFireItem[]
  /** Some could not be carried out now, and are still in the record. */
  readonly isOpen: boolean
}

export function createScheduleRunner(store: ScheduleStore, roles: ScheduledRoles): ScheduleRunner {
  return {
    confirm: (schedule, nowMs) => confirm(store, roles, schedule, nowMs),

    async takeOn(first, firstNowMs, room) {
      const items: ScheduleFireItem[] = []
      let schedule = first
      let nowMs = firstNowMs
      let left = room
      for (;;) {
        if (hasUnconfirmed(schedule.progress)) {
          const confirmed = await confirm(store, roles, schedule, nowMs)
          items.push(...confirmed.items)
          if (confirmed.schedule === undefined) return { items, dueAtMs: null, more: false }
          if (confirmed.isOpen) return { items, dueAtMs: confirmed.schedule.dueAtMs, more: false }
          schedule = confirmed.schedule
          nowMs = confirmed.nowMs
          continue
        }
        const { dueAtMs } = schedule
        if (dueAtMs === null || dueAtMs > firstNowMs) return { items, dueAtMs, more: false }
        if (left <= 0) return { items, dueAtMs, more: true }
        const { namespace, progress } = schedule
        const running = needsLook(schedule) ? progress.running.map(({ id }) => id) : []
        const ended = await findEnded(roles, namespace, running)
        const decision = decide(schedule, { nowMs, ended, room: left })
        // What decides over later ticks must stand before it starts anything; else the same ticks bring the same ids.
        const mayBeLost = schedule.definition.overlap === 'allow_all' || !hasUnconfirmed(decision.progress)
        const moved = await advance(store, schedule, decision.progress, nowMs, { mayBeLost })
        if (moved === undefined) {
          items.push({ ...itemOf(schedule, nextOf(schedule)), outcome: 'lost_race' })
          return { items, dueAtMs: null, more: false }
        }
        items.push(...decision.items)
        left -= decision.taken
        schedule = moved
      }
    },
  }
}

/** The item of a schedule that could not be looked at. */
export function failedItem(schedule: StoredSchedule, error: unknown): ScheduleFireItem {
  if (!isEngineError(error)) throw error
  return { ...itemOf(schedule, nextOf(schedule)), outcome: 'error', code: error.code }
}

/** Writes how far a schedule has come, on condition that nobody else has. */
export async function advance(
  store: ScheduleStore,
  schedule: StoredSchedule,
  progress: ScheduleProgress,
  nowMs: number,
  { mayBeLost = false } = {},
): Promise<StoredSchedule | undefined> {
  const { namespace, scheduleId, version: expected } = schedule
  const dueAtMs = dueAtOf({ ...schedule, progress }, nowMs)
  const text = recordText.ofProgress(progress)
  const isWritten = await store.write({ namespace, scheduleId, expected, dueAtMs, progress: text, mayBeLost })
  return isWritten ? { ...schedule, version: expected + 1, dueAtMs, progress } : undefined
}

/** Reads a schedule, or nothing where there is none. */
export async function readSchedule(
  store: ScheduleStore,
  { namespace, scheduleId }: ScheduleName,
): Promise<{ readonly nowMs: number; readonly schedule: StoredSchedule | undefined }> {
  const { nowMs, row } = await store.read({ namespace, scheduleId })
  return { nowMs, schedule: row === undefined ? undefined : recordText.read(row) }
}

/** As `readSchedule`. Throws `schedule_not_found`. */
export async function requireSchedule(
  store: ScheduleStore,
  name: ScheduleName,
): Promise<{ readonly nowMs: number; readonly schedule: StoredSchedule }> {
  const { nowMs, schedule } = await readSchedule(store, name)
  if (schedule !== undefined) return { nowMs, schedule }
  throw engineError('schedule_not_found', `There is no schedule ${name.scheduleId} in ${name.namespace}`)
}

/** Tries a conditional write until nobody was quicker. Throws `contention`. */
export async function untilWritten<Answer>(
  { scheduleId }: ScheduleName,
  attempt: () => Promise<Answer | undefined>,
): Promise<Answer> {
  for (let tries = 0; tries < limits.scheduleTriesMax; tries += 1) {
    const answer = await attempt()
    if (answer !== undefined) return answer
  }
  throw engineError('contention', `Others changed schedule ${scheduleId} at the same time, again and again`)
}

/**
 * Carries out what the record holds. True: it held something, so that what is to be written must be decided on anew. Throws
 * `contention` where it could not.
 */
export async function hadToConfirm(
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

async function confirm(
  store: ScheduleStore,
  roles: ScheduledRoles,
  schedule: StoredSchedule,
  nowMs: number,
): Promise<Confirmed> {
  const { namespace, work, progress } = schedule
  const { cancels, starts } = progress
  if (!hasUnconfirmed(progress)) return { schedule, nowMs, items: [], isOpen: false }
  await cancelEarlier(roles, namespace, cancels)
  const outcomes = starts.length === 0 ? [] : await startTicks(roles, schedule, work, starts)
  const results = new Map(starts.map((start, place) => [start.id, { start, outcome: outcomes[place] }]))
  const items = [...results.values()].map(({ start, outcome }) => describe(schedule, start, outcome))
  const isOpen = [...results.values()].some(({ outcome }) => isUnsure(outcome))
  return untilWritten(schedule, async (): Promise<Confirmed | undefined> => {
    const now = await readSchedule(store, schedule)
    if (now.schedule === undefined) return { ...now, items, isOpen: false }
    const cleared = withoutConfirmed(now.schedule.progress, cancels, results, now.nowMs)
    // Another runner was quicker, and tells the same.
    if (cleared === now.schedule.progress) return { ...now, items, isOpen }
    // Who finds it as it was repeats the starts, whose ids are taken.
    const written = await advance(store, now.schedule, cleared, now.nowMs, { mayBeLost: true })
    return written && { nowMs: now.nowMs, schedule: written, items, isOpen }
  })
}

type Results = ReadonlyMap<
  string,
  { readonly start: ScheduledStart; readonly outcome: StartOutcome | undefined }
>

/** The record without what was carried out. The same object where it holds nothing of that any more. */
function withoutConfirmed(
  progress: ScheduleProgress,
  cancels: readonly string[],
  results: Results,
  nowMs: number,
): ScheduleProgress {
  const isDone = (id: string) => results.has(id) && !isUnsure(results.get(id)?.outcome)
  const starts = progress.starts.filter(({ id }) => !isDone(id))
  const leftCancels = progress.cancels.filter((id) => !cancels.includes(id))
  const refused = progress.starts.filter(({ id }) => results.get(id)?.outcome?.outcome === 'refused')
  const isUnchanged =
    starts.length === progress.starts.length && leftCancels.length === progress.cancels.length
  if (isUnchanged) return progress
  const last = refused.at(-1)
  const outcome = last === undefined ? undefined : results.get(last.id)?.outcome
  return {
    ...progress,
    starts,
    cancels: leftCancels,
    running: progress.running.filter(({ id }) => !refused.some((each) => each.id === id)),
    triggers: progress.triggers.filter(({ key }) => !refused.some(({ triggerKey }) => triggerKey === key)),
    lastRefusal:
      last === undefined || outcome === undefined || outcome.outcome === 'started'
        ? progress.lastRefusal
        : { tickMs: last.tickMs, code: outcome.code, atMs: nowMs },
  }
}

function describe(
  schedule: StoredSchedule,
  { id, tickMs }: ScheduledStart,
  outcome: StartOutcome | undefined,
): ScheduleFireItem {
  if (outcome?.outcome === 'started') return { ...itemOf(schedule, tickMs), started: id }
  const code = outcome?.code ?? 'unexpected_answer'
  return { ...itemOf(schedule, tickMs), outcome: isUnsure(outcome) ? 'error' : 'refused', code }
}

function isUnsure(outcome: StartOutcome | undefined): boolean {
  return outcome === undefined || outcome.outcome === 'unsure'
}

function itemOf({ scheduleId }: StoredSchedule, tickMs: number): ScheduleFireItem {
  return { outcome: 'started', scheduleId, tickMs, started: null }
}

function nextOf({ progress, dueAtMs }: StoredSchedule): number {
  return progress.nextTickMs ?? dueAtMs ?? progress.updatedAtMs
}
