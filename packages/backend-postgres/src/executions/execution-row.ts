import {
  type AttemptState,
  type BlockingReason,
  type CancelCause,
  type DelayReason,
  defaultRetryPolicy,
  type EligibilityState,
  type Execution,
  type Failure,
  type FlowId,
  type InstanceId,
  type LifecyclePhase,
  makeExecutionId,
  must,
  type OwnershipState,
  type ParentLink,
  type PublicState,
  type RetryPolicy,
  type Tags,
  type TerminalOutcome,
  type Timeouts,
  type WorkerId,
} from '@flowfabric/core'
import { type StoredDemands, toDemands } from '../admission/demands.js'
import type { Catalog } from '../db/catalog.js'

/** What `executionColumns` select. */
export interface ExecutionRow {
  readonly partition_key: number
  readonly id: string
  readonly route_id: number
  readonly flow_id: FlowId | null
  readonly name: string | null
  readonly priority: number
  readonly tags: Tags
  readonly retry: RetryPolicy | null
  readonly deadline_ms: number | null
  readonly queue_ttl_ms: number | null
  readonly attempt_timeout_ms: number | null
  readonly lifecycle_phase: LifecyclePhase
  readonly ownership_state: OwnershipState
  readonly eligibility_state: EligibilityState
  readonly blocking_reason: BlockingReason
  readonly terminal_outcome: TerminalOutcome
  readonly attempt_state: AttemptState
  readonly public_state: PublicState
  readonly generation: number
  readonly epoch: number
  readonly attempt_count: number
  readonly retry_count: number
  readonly reclaim_count: number
  readonly replay_count: number
  readonly held: boolean
  readonly created_at: number
  readonly first_eligible_at: number | null
  readonly ready_at: number | null
  readonly not_before: number | null
  readonly delay_reason: DelayReason | null
  readonly deadline_at: number | null
  readonly worker_id: WorkerId | null
  readonly instance_id: InstanceId | null
  readonly lease_started_at: number | null
  readonly lease_expires_at: number | null
  readonly attempt_deadline_at: number | null
  readonly grace_ends_at: number | null
  readonly cancel_cause: CancelCause | null
  readonly failure: Failure | null
  readonly progress_percent: number | null
  readonly progress_message: string | null
  readonly parent: ParentLink | null
  readonly demands: StoredDemands | null
  readonly terminal_at: number | null
}

/** Of `execution e`, `execution_info i` and, left joined, `execution_result r`. */
export const executionColumns = `e.partition_key, e.id, e.route_id, e.flow_id, i.name, e.priority, i.tags, i.retry, e.deadline_ms,
  e.queue_ttl_ms, e.attempt_timeout_ms, e.lifecycle_phase, e.ownership_state, e.eligibility_state, e.blocking_reason,
  e.terminal_outcome, e.attempt_state, e.public_state, e.generation, e.epoch, e.attempt_count, e.retry_count, e.reclaim_count,
  e.replay_count, e.held, e.created_at, e.first_eligible_at, e.ready_at, e.not_before, e.delay_reason, e.deadline_at, e.worker_id,
  e.instance_id, e.lease_started_at, e.lease_expires_at, e.attempt_deadline_at, e.grace_ends_at, e.cancel_cause, r.failure,
  i.progress_percent, i.progress_message, i.parent, i.demands, e.terminal_at`

export const executionTables = `ff.execution e
  join ff.execution_info i on i.partition_key = e.partition_key and i.id = e.id
  left join ff.execution_result r on r.partition_key = e.partition_key and r.id = e.id`

export async function toExecution(row: ExecutionRow, catalog: Catalog): Promise<Execution> {
  const { lane, kind, capabilities } = await catalog.route(row.route_id)
  return {
    id: makeExecutionId(row.partition_key, row.id),
    namespace: lane.namespace,
    flowId: row.flow_id,
    parent: row.parent,
    name: row.name,
    kind,
    lane: lane.name,
    capabilities,
    priority: row.priority,
    tags: row.tags,
    retry: row.retry ?? defaultRetryPolicy,
    timeouts: toTimeouts(row),
    ...toDemands(row.demands),
    state: {
      lifecyclePhase: row.lifecycle_phase,
      ownershipState: row.ownership_state,
      eligibilityState: row.eligibility_state,
      blockingReason: row.blocking_reason,
      terminalOutcome: row.terminal_outcome,
      attemptState: row.attempt_state,
    },
    publicState: row.public_state,
    generation: row.generation,
    epoch: row.epoch,
    attemptCount: row.attempt_count,
    retryCount: row.retry_count,
    reclaimCount: row.reclaim_count,
    replayCount: row.replay_count,
    held: row.held,
    createdAtMs: row.created_at,
    firstEligibleAtMs: row.first_eligible_at,
    readyAtMs: row.ready_at,
    notBeforeMs: row.not_before,
    delayReason: row.delay_reason,
    deadlineAtMs: row.deadline_at,
    lease: toLease(row),
    cancelRequested:
      row.grace_ends_at === null
        ? null
        : {
            graceEndsAtMs: row.grace_ends_at,
            cause: must(row.cancel_cause, 'the cause of a requested cancel'),
          },
    cancelCause: row.terminal_outcome === 'cancelled' ? row.cancel_cause : null,
    failure: row.failure,
    progress:
      row.progress_percent === null ? null : { percent: row.progress_percent, message: row.progress_message },
    terminalAtMs: row.terminal_at,
  }
}

function toTimeouts(row: ExecutionRow): Timeouts {
  return {
    ...(row.deadline_ms === null ? {} : { deadlineMs: row.deadline_ms }),
    ...(row.attempt_timeout_ms === null ? {} : { attemptTimeoutMs: row.attempt_timeout_ms }),
    ...(row.queue_ttl_ms === null ? {} : { queueTtlMs: row.queue_ttl_ms }),
  }
}

/** What is left in these columns of an earlier lease means nothing. */
function toLease(row: ExecutionRow): Execution['lease'] {
  if (row.lifecycle_phase !== 'active') return null
  return {
    workerId: must(row.worker_id, 'the worker of a lease'),
    instanceId: must(row.instance_id, 'the instance of a lease'),
    attemptIndex: row.attempt_count - 1,
    startedAtMs: must(row.lease_started_at, 'the start of a lease'),
    expiresAtMs: must(row.lease_expires_at, 'the end of a lease'),
    attemptDeadlineAtMs: row.attempt_deadline_at,
  }
}
