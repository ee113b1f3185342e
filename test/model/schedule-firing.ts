import {
  type ExecutionId,
  executionOfTick,
  type FlowId,
  flowOfTick,
  isEngineError,
  jitterOf,
  limits,
  type ScheduledId,
  type ScheduleFireItem,
  tickId,
  ticksOf,
} from '@flowfabric/core'
import { submitExecution } from './executions.js'
import { findExecution, isTerminal } from './facts.js'
import { cancelFlow } from './flow-cancel.js'
import { orError } from './or-error.js'
import { hasEnded, isBusy, isWaiting, nextTick, noteDue, type ScheduleRecord } from './schedule-records.js'
import { step } from './step.js'
import type { Model } from './store.js'
import { submitFlow } from './submission.js'
import { cancelExecution } from './transition.js'

export interface Start {
  readonly id: ScheduledId
  readonly tickMs: number
  readonly triggerKey?: string | undefined
}

export interface Fired {
  readonly items: readonly ScheduleFireItem[]
  readonly more: boolean
}

/** Takes what is due of one schedule, round by round, at most so many ticks. */
export function fire(model: Model, schedule: ScheduleRecord, room: number): Fired {
  const items: ScheduleFireItem[] = []
  let left = room
  while (schedule.dueAtMs !== null && schedule.dueAtMs <= model.clock.nowMs()) {
    if (left <= 0) return { items, more: true }
    left -= fireRound(model, schedule, left, items)
  }
  return { items, more: false }
}

/** A round decides on all its ticks, then starts what it decided on. Answers how many ticks it took. */
function fireRound(model: Model, schedule: ScheduleRecord, room: number, items: ScheduleFireItem[]): number {
  const nowMs = model.clock.nowMs()
  const starts: Start[] = []
  let taken = 0
  const tell = (outcome: ScheduleFireItem['outcome'], tickMs: number, code?: string) =>
    items.push({ outcome, scheduleId: schedule.id, tickMs, started: null, ...(code && { code }) })
  const begin = (tickMs: number, triggerKey?: string) => {
    const id = tickId(nameOf(schedule), schedule.work.kind, schedule.home, tickMs)
    schedule.running = [...schedule.running.filter((each) => each.id !== id), { id, startedAtMs: nowMs }]
    schedule.lastFireAtMs = nowMs
    if (!starts.some((start) => start.id === id)) starts.push({ id, tickMs, triggerKey })
    taken++
  }

  if (schedule.overlap !== 'allow_all') {
    schedule.running = schedule.running.filter(({ id }) => !hasEnded(model, id))
  }
  if (!schedule.paused) {
    const oldestMs = nowMs - schedule.catchUpMs - schedule.jitterMs
    const next = nextTick(schedule)
    if (next !== null && next < oldestMs) {
      tell('missed', next)
      schedule.cursorMs = oldestMs - 1
    }
    while (taken < room && !isBusy(schedule) && schedule.buffered.length > 0)
      begin(schedule.buffered.shift() ?? 0)
    for (const tick of ticksOf(schedule.timing, schedule.cursorMs, nowMs, room - taken)) {
      if (tick + jitterOf(schedule.id, tick, schedule.jitterMs) > nowMs) break
      if (!isBusy(schedule)) begin(tick)
      else if (schedule.overlap === 'cancel_other') {
        if (starts.length > 0) break
        for (const { id } of schedule.running) cancel(model, schedule, id)
        schedule.running = []
        begin(tick)
      } else {
        taken++
        const bound = { buffer_one: 1, buffer_all: limits.scheduleBufferedMax, skip: 0, allow_all: 0 }[
          schedule.overlap
        ]
        if (schedule.buffered.length < bound) {
          schedule.buffered.push(tick)
          tell('buffered', tick)
        } else tell('skipped', tick, bound === 0 ? undefined : 'limit_exceeded')
      }
      schedule.cursorMs = tick
    }
  }
  while (taken < room && !isBusy(schedule)) {
    const backfill = schedule.backfills[0]
    const tick = backfill?.ticks.shift()
    if (backfill === undefined || tick === undefined) break
    if (backfill.ticks.length === 0) schedule.backfills.shift()
    begin(tick, backfill.triggerKey)
  }
  schedule.running = schedule.running.slice(-limits.scheduleRunningMax)
  const youngestMs = schedule.running.at(-1)?.startedAtMs ?? nowMs
  const pauseMs = Math.min(
    Math.max(Math.floor((nowMs - youngestMs) / 8), limits.scheduleLookMsMin),
    limits.scheduleLookMsMax,
  )
  schedule.lookAtMs = isWaiting(schedule) && isBusy(schedule) ? nowMs + pauseMs : null
  for (const start of starts) startNow(model, schedule, start, items)
  noteDue(model, schedule)
  return taken
}

/** Submits what a tick is about, and takes it off again where it is refused. */
export function startNow(
  model: Model,
  schedule: ScheduleRecord,
  start: Start,
  items: ScheduleFireItem[],
): void {
  const { id, tickMs, triggerKey } = start
  const code = refusalOf(model, schedule, start)
  if (code === undefined) {
    items.push({ outcome: 'started', scheduleId: schedule.id, tickMs, started: id })
    return
  }
  items.push({ outcome: 'refused', scheduleId: schedule.id, tickMs, started: null, code })
  schedule.running = schedule.running.filter((each) => each.id !== id)
  schedule.lastRefusal = { tickMs, code, atMs: model.clock.nowMs() }
  if (triggerKey !== undefined) schedule.triggers = schedule.triggers.filter(({ key }) => key !== triggerKey)
}

function refusalOf(model: Model, schedule: ScheduleRecord, { id, tickMs }: Start): string | undefined {
  const { namespace, work } = schedule
  const answer = orError(() =>
    work.kind === 'execution'
      ? submitExecution(model, namespace, executionOfTick(nameOf(schedule), work, id as ExecutionId, tickMs))
      : submitFlow(model, flowOfTick(nameOf(schedule), work, id as FlowId, tickMs, model.partitions.flow)),
  )
  if (isEngineError(answer)) return answer.code
  const outcome = answer.outcome === 'error' ? answer.error.code : answer.outcome
  // What is there under the tick's id was started by that tick, whatever the schedule was about then.
  return ['accepted', 'duplicate', 'execution_conflict', 'flow_conflict'].includes(outcome)
    ? undefined
    : outcome
}

/** For a tick that is to run alone. */
function cancel(model: Model, { namespace }: ScheduleRecord, id: ScheduledId): void {
  step(model, () => {
    if (model.flows.has(id as FlowId))
      cancelFlow(model, { namespace, flowId: id as FlowId, policy: 'cancel_all' })
    else if (model.executions.has(id as ExecutionId)) {
      const x = findExecution(model, namespace, id as ExecutionId)
      if (!isTerminal(x)) cancelExecution(model, x, 'operator')
    }
  })
}

const nameOf = ({ namespace, id }: ScheduleRecord) => ({ namespace, scheduleId: id })
