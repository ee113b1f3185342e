import {
  type ExecutionId,
  engineError,
  type FlowId,
  jitterOf,
  makePartitionTag,
  type Namespace,
  nextTickOf,
  type OverlapPolicy,
  type PartitionTag,
  quotaPartition,
  type ScheduledId,
  type ScheduledWork,
  type ScheduleId,
  type ScheduleSummary,
  type ScheduleTiming,
} from '@flowfabric/core'
import { isTerminal, isTerminalFlow } from './facts.js'
import type { Model } from './store.js'

/** All that the model knows of a schedule. */
export interface ScheduleRecord {
  readonly namespace: Namespace
  readonly id: ScheduleId
  readonly createdAtMs: number
  /** Where its executions live, for good. */
  readonly home: number
  label: string
  timing: ScheduleTiming
  work: ScheduledWork
  overlap: OverlapPolicy
  jitterMs: number
  catchUpMs: number
  updatedAtMs: number
  paused: boolean
  pauseReason: string | null
  cursorMs: number
  lastFireAtMs: number | null
  running: { readonly id: ScheduledId; readonly startedAtMs: number }[]
  buffered: number[]
  backfills: { readonly triggerKey: string; readonly ticks: number[] }[]
  lookAtMs: number | null
  triggers: {
    readonly key: string
    readonly atMs: number
    readonly range: { readonly fromMs: number; readonly toMs: number } | undefined
    readonly started: readonly ScheduledId[]
  }[]
  lastRefusal: ScheduleSummary['lastRefusal']
  /** As of the last change. */
  dueAtMs: number | null
}

export const scheduleKey = (namespace: string, id: string) => `${namespace}/${id}`

/** Throws `schedule_not_found`. */
export function findSchedule(model: Model, namespace: Namespace, id: ScheduleId): ScheduleRecord {
  const found = model.schedules.get(scheduleKey(namespace, id))
  if (found !== undefined) return found
  throw engineError('schedule_not_found', `there is no schedule ${id}`)
}

export function nextTick({ timing, cursorMs }: ScheduleRecord): number | null {
  return nextTickOf(timing, cursorMs)
}

export function nextFire(schedule: ScheduleRecord): number | null {
  const tick = nextTick(schedule)
  return schedule.paused || tick === null ? null : tick + jitterOf(schedule.id, tick, schedule.jitterMs)
}

/** Whether something waits for its turn. */
export function isWaiting({ paused, buffered, backfills }: ScheduleRecord): boolean {
  return (buffered.length > 0 && !paused) || backfills.length > 0
}

export function isBusy({ overlap, running }: ScheduleRecord): boolean {
  return overlap !== 'allow_all' && running.length > 0
}

/** After each change: when somebody has to look. */
export function noteDue(model: Model, schedule: ScheduleRecord): void {
  const times = [nextFire(schedule)]
  if (isWaiting(schedule)) times.push(schedule.lookAtMs ?? model.clock.nowMs())
  const known = times.filter((atMs) => atMs !== null)
  schedule.dueAtMs = known.length === 0 ? null : Math.min(...known)
}

export function schedulesIn(model: Model, partition: PartitionTag): ScheduleRecord[] {
  return [...model.schedules.values()].filter(
    ({ namespace, id }) =>
      makePartitionTag('quota', quotaPartition(namespace, id, model.partitions.quota)) === partition,
  )
}

export function nextScheduleIn(model: Model, partition: PartitionTag): number | null {
  const times = schedulesIn(model, partition).flatMap(({ dueAtMs }) => (dueAtMs === null ? [] : [dueAtMs]))
  return times.length === 0 ? null : Math.min(...times)
}

export function hasEnded(model: Model, id: ScheduledId): boolean {
  const x = model.executions.get(id as ExecutionId)
  const flow = model.flows.get(id as FlowId)
  if (x !== undefined) return isTerminal(x)
  return flow === undefined || isTerminalFlow(flow)
}
