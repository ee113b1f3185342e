import {
  type AttemptType,
  type ClaimedExecution,
  encodeHandle,
  type FlowId,
  type LeaseId,
  makeExecutionId,
  must,
  type PublicState,
  type StepRecord,
  type StepType,
  type Tags,
  type UpstreamResult,
} from '@flowfabric/core'
import { type StoredDemands, toDemands } from '../admission/demands.js'
import type { Catalog } from '../db/catalog.js'
import { type StoredResumption, toResumption } from '../suspensions/resumption.js'

/** A row of the SQL type `claimed`. The last two groups are there only where there is something to hand down. */
export interface ClaimedRow {
  /** Null: the process's catalogue of lanes and routes is older than the store's, and nothing was claimed. */
  readonly id: string | null
  readonly partition_key: number
  readonly lane_id: number
  readonly route_id: number
  readonly flow_id: FlowId | null
  readonly name: string | null
  readonly priority: number
  readonly input: Uint8Array | null
  readonly attempt_index: number
  readonly attempt_type: AttemptType
  readonly generation: number
  readonly lease_id: LeaseId
  readonly epoch: number
  readonly lease_expires_at: number
  readonly attempt_deadline_at: number | null
  readonly claimed_at: number
  readonly tags: Tags
  readonly trace_context: string | null
  readonly due_at: number
  readonly up_names: readonly string[] | null
  readonly up_ids: readonly string[] | null
  readonly up_states: readonly PublicState[] | null
  readonly up_satisfied: readonly boolean[] | null
  readonly up_results: readonly (Uint8Array | null)[] | null
  readonly up_truncated: boolean | null
  readonly step_names: readonly string[] | null
  readonly step_types: readonly StepType[] | null
  readonly step_results: readonly (Uint8Array | null)[] | null
  readonly step_attempts: readonly number[] | null
  readonly step_times: readonly number[] | null
  readonly steps_truncated: boolean | null
  readonly resumption: StoredResumption | null
  readonly demands: StoredDemands | null
}

/** In the order of the type. */
export const claimedColumnNames: readonly (keyof ClaimedRow)[] = [
  'partition_key',
  'id',
  'lane_id',
  'route_id',
  'flow_id',
  'name',
  'priority',
  'input',
  'attempt_index',
  'attempt_type',
  'generation',
  'lease_id',
  'epoch',
  'lease_expires_at',
  'attempt_deadline_at',
  'claimed_at',
  'tags',
  'trace_context',
  'due_at',
  'up_names',
  'up_ids',
  'up_states',
  'up_satisfied',
  'up_results',
  'up_truncated',
  'step_names',
  'step_types',
  'step_results',
  'step_attempts',
  'step_times',
  'steps_truncated',
  'resumption',
  'demands',
]

export async function toClaimed(row: ClaimedRow, catalog: Catalog): Promise<ClaimedExecution> {
  const route = await catalog.route(row.route_id)
  const executionId = makeExecutionId(row.partition_key, must(row.id, 'the id of a claimed row'))
  return {
    executionId,
    namespace: route.lane.namespace,
    flowId: row.flow_id,
    name: row.name,
    kind: route.kind,
    lane: route.lane.name,
    priority: row.priority,
    input: row.input,
    attemptIndex: row.attempt_index,
    attemptType: row.attempt_type,
    generation: row.generation,
    handle: encodeHandle({
      executionId,
      attemptIndex: row.attempt_index,
      leaseId: row.lease_id,
      epoch: row.epoch,
    }),
    leaseExpiresAtMs: row.lease_expires_at,
    attemptDeadlineAtMs: row.attempt_deadline_at,
    claimedAtMs: row.claimed_at,
    upstream: toUpstream(row),
    upstreamTruncated: row.up_truncated ?? false,
    steps: toSteps(row),
    stepsTruncated: row.steps_truncated ?? false,
    resumption: row.resumption === null ? null : toResumption(row.partition_key, row.resumption),
    budgets: toDemands(row.demands).budgets,
    tags: row.tags,
    traceContext: row.trace_context,
  }
}

function toUpstream(row: ClaimedRow): readonly UpstreamResult[] {
  return (row.up_names ?? []).map((as, index) => ({
    as,
    executionId: makeExecutionId(row.partition_key, must(row.up_ids?.[index], 'the id of an upstream')),
    publicState: must(row.up_states?.[index], 'the state of an upstream'),
    satisfied: row.up_satisfied?.[index] ?? false,
    result: row.up_results?.[index] ?? null,
  }))
}

function toSteps(row: ClaimedRow): readonly StepRecord[] {
  return (row.step_names ?? []).map((name, index) => ({
    name,
    type: must(row.step_types?.[index], 'the type of a step'),
    result: row.step_results?.[index] ?? null,
    attemptIndex: must(row.step_attempts?.[index], 'the attempt of a step'),
    recordedAtMs: must(row.step_times?.[index], 'the time of a step'),
  }))
}
