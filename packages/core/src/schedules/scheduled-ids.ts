import type { ScheduledId, ScheduledWork } from '../contract/schedules.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import type { ExecutionId } from '../ids/index.js'
import { isExecutionId, makeExecutionId, parseFlowId, type ScheduleId } from '../ids/index.js'
import type { Namespace } from '../names.js'
import { crc16Text, soloPartition } from '../partitions/index.js'

/** What ids of a schedule's work follow from. */
export interface ScheduleName {
  readonly namespace: Namespace
  readonly scheduleId: ScheduleId
}

/**
 * The flow partition of all executions that a schedule ever starts. It is decided once, by the lane that the schedule is made
 * with (that lane's first shard), and kept: a lane that gets more shards, or another lane, must not give a tick another id.
 */
export function homeOf(
  { namespace, scheduleId }: ScheduleName,
  work: ScheduledWork,
  flowCount: number,
): number {
  if (work.kind === 'flow') return crc16Text(scheduleId) % flowCount
  return soloPartition({ namespace, lane: work.spec.lane, uuid: scheduleId, shards: 1, count: flowCount })
}

/** What a tick starts is named by the schedule and the tick, by whatever way it comes to be started. */
export function tickId(
  { namespace, scheduleId }: ScheduleName,
  kind: ScheduledWork['kind'],
  home: number,
  tickMs: number,
): ScheduledId {
  return idOf(kind, home, deriveUuid('schedule', namespace, scheduleId, 'tick', String(tickMs)))
}

/** What a fire by hand starts. */
export function triggerId(
  { namespace, scheduleId }: ScheduleName,
  kind: ScheduledWork['kind'],
  home: number,
  triggerKey: string,
): ScheduledId {
  return idOf(kind, home, deriveUuid('schedule', namespace, scheduleId, 'trigger', triggerKey))
}

export function isScheduledExecution(id: ScheduledId): id is ExecutionId {
  return isExecutionId(id)
}

function idOf(kind: ScheduledWork['kind'], home: number, uuid: string): ScheduledId {
  return kind === 'execution' ? makeExecutionId(home, uuid) : parseFlowId(uuid)
}
