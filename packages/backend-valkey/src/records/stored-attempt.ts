import type { AttemptRecord, ExecutionId, InstanceId, WorkerId } from '@flowfabric/core'
import { attemptFields as A } from '../generated/layouts.js'
import { attemptRecordStateLetters, attemptTypeLetters, endedByLetters } from './letters.js'
import { failureAt, numberAt, textAt, timeAt } from './stored-execution.js'

/** An attempt, of its fields by place. Throws `corruption`. */
export function toAttempt(executionId: ExecutionId, fields: readonly unknown[]): AttemptRecord {
  const by = textAt(fields, A.by)
  return {
    executionId,
    index: numberAt(fields, A.index),
    type: attemptTypeLetters.read(fields[A.type]),
    generation: numberAt(fields, A.generation),
    state: attemptRecordStateLetters.read(fields[A.state]),
    epoch: numberAt(fields, A.epoch),
    workerId: textAt(fields, A.worker) as WorkerId,
    instanceId: textAt(fields, A.instance) as InstanceId,
    startedAtMs: numberAt(fields, A.started),
    endedAtMs: timeAt(fields, A.ended),
    endedBy: by === '' ? null : endedByLetters.read(by),
    late: fields[A.late] === 1,
    failure: failureAt(fields, A.failure),
  }
}
