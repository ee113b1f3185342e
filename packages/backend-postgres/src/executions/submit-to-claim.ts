import {
  type AttemptType,
  type ClaimedExecution,
  type ClaimRequest,
  hashInput,
  type LaneState,
  type LeaseId,
  must,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import { namesDemands } from '../admission/demands.js'
import type { PostgresContext } from '../db/context.js'
import type { Claimer } from '../leases/claim.js'
import type { ClaimedRow } from '../leases/claimed-row.js'
import { optionsOf, type Routed, type SubmittedRow } from './submission-row.js'

interface HandedRow extends Pick<SubmittedRow, 'outcome' | 'eligible' | 'due_at'> {
  readonly lane_state: LaneState | null
  /** Null: the claim was not handed it, and is still to look. */
  readonly lease_id: LeaseId | null
  readonly leased_at: number
  readonly attempt_deadline_at: number | null
}

/** One submission and the claim that came with it. */
export interface HandedSubmission {
  readonly row: SubmittedRow
  readonly claimed: readonly ClaimedExecution[]
}

/** Whether an item can be handed out by the statement that accepts it. */
export function startsAtOnce({ item }: Routed): boolean {
  return item.delayMs === undefined && item.startAtMs === undefined && !namesDemands(item)
}

/**
 * Work that comes alone while its worker is idle: accepted and leased in one insert, when nothing else is ready for the
 * claim. Otherwise the claim looks for itself, in a second round trip.
 */
export async function submitToClaim(
  ctx: PostgresContext,
  claimer: Claimer,
  namespace: string,
  { item, route }: Routed,
  request: ClaimRequest,
): Promise<HandedSubmission> {
  const begun = claimer.begin(request)
  const { served } = begun
  const [handed] = await ctx.db.call<HandedRow>(
    `select outcome, lane_state, eligible, due_at, lease_id, leased_at, attempt_deadline_at
     from ff.submit_to_claim($1, $2::integer, $3::uuid, $4::integer, $5, $6::bytea, $7::jsonb,
       $8::bigint, $9, $10::uuid, $11::uuid, $12::bigint, $13::integer[], $14::integer[])`,
    [
      namespace,
      partitionIndexOf(item.id),
      uuidOf(item.id),
      route.id,
      item.inputHash ?? hashInput(item.input),
      item.input,
      optionsOf(item, undefined),
      ctx.catalog.version,
      request.workerId,
      request.instanceId,
      request.claimId,
      request.leaseTtlMs,
      served.lanes.map(({ id }) => id),
      served.routeIds,
    ],
  )
  const { lease_id, leased_at, attempt_deadline_at, ...submitted } = must(
    handed,
    'the answer to a submission',
  )
  const row: SubmittedRow = {
    ...submitted,
    ord: 1,
    partition_key: partitionIndexOf(item.id),
    id: uuidOf(item.id),
    lane_id: route.lane.id,
  }
  if (lease_id === null) {
    // The submission stands, whatever becomes of the claim: who waits with it tries again.
    const claimed = await claimer.look(request).catch(() => [])
    const isTaken = claimed.some(({ executionId }) => executionId === item.id)
    return { row: isTaken ? { ...row, eligible: false } : row, claimed }
  }
  const claimed: ClaimedRow = {
    id: row.id,
    partition_key: row.partition_key,
    lane_id: route.lane.id,
    route_id: route.id,
    flow_id: null,
    name: null,
    priority: item.priority ?? 0,
    input: item.input,
    attempt_index: 0,
    attempt_type: 'initial' satisfies AttemptType,
    generation: 1,
    lease_id,
    epoch: 1,
    lease_expires_at: leased_at + request.leaseTtlMs,
    attempt_deadline_at,
    claimed_at: leased_at,
    tags: item.tags ?? {},
    trace_context: item.traceContext ?? null,
    due_at: must(row.due_at, 'the expiry of a lease'),
    up_names: null,
    up_ids: null,
    up_states: null,
    up_satisfied: null,
    up_results: null,
    up_truncated: null,
    step_names: null,
    step_types: null,
    step_results: null,
    step_attempts: null,
    step_times: null,
    steps_truncated: null,
    resumption: null,
    demands: null,
  }
  // Both know when it is due; one tells.
  return { row: { ...row, due_at: null }, claimed: must(await claimer.finish(begun, [claimed]), 'its lease') }
}
