import {
  type AttemptRecord,
  type AttemptRecordState,
  type AttemptType,
  type EndedBy,
  type Failure,
  type InstanceId,
  makeExecutionId,
  type WorkerId,
} from '@flowfabric/core'

/** What `attemptRows` select. */
export interface AttemptRow {
  readonly partition_key: number
  readonly execution_id: string
  readonly idx: number
  readonly type: AttemptType
  readonly generation: number
  readonly state: AttemptRecordState
  readonly epoch: number
  readonly worker_id: WorkerId
  readonly instance_id: InstanceId
  readonly started_at: number
  readonly ended_at: number | null
  readonly ended_by: EndedBy | null
  readonly late: boolean
  readonly failure: Failure | null
}

/**
 * The attempts of the execution `$1`, `$2`. The running one is in the execution's own row; a record of it that was left
 * by a delay is older.
 */
export const attemptRows = `select * from (
    select a.partition_key, a.execution_id, a.idx, a.type, a.generation, a.state, a.epoch, a.worker_id, a.instance_id, a.started_at,
      a.ended_at, a.ended_by, a.late, a.failure
    from ff.attempt a join ff.execution e on e.partition_key = a.partition_key and e.id = a.execution_id
    where a.partition_key = $1 and a.execution_id = $2 and not (e.lifecycle_phase = 'active' and a.idx = e.attempt_count - 1)
    union all
    select e.partition_key, e.id, e.attempt_count - 1, e.attempt_type, e.generation, 'started', e.epoch, e.worker_id, e.instance_id,
      e.attempt_started_at, null, null, false, null
    from ff.execution e where e.partition_key = $1 and e.id = $2 and e.lifecycle_phase = 'active'
  ) all_attempts`

export function toAttempt(row: AttemptRow): AttemptRecord {
  return {
    executionId: makeExecutionId(row.partition_key, row.execution_id),
    index: row.idx,
    type: row.type,
    generation: row.generation,
    state: row.state,
    epoch: row.epoch,
    workerId: row.worker_id,
    instanceId: row.instance_id,
    startedAtMs: row.started_at,
    endedAtMs: row.ended_at,
    endedBy: row.ended_by,
    late: row.late,
    failure: row.failure,
  }
}
