import {
  type CancelCause,
  type CancelFlow,
  type CancelFlowOutcome,
  checkCancelFlow,
  type FlowId,
  limits,
  makePartitionTag,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { kickBacklog } from '../resolution/cancel-backlog.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { type EndedMember, tellEnded } from '../resolution/hop.js'
import { awaitMembers } from './await-members.js'
import { settleIfOver } from './cancel-settled.js'
import { type FlowStateRow, lockFlow, partitionOf } from './flow-state.js'
import { selectResult } from './get-result.js'
import { finishReset } from './replay.js'

/** Members that one step of a cancel ends; what is left is the backlog's. */
export const CANCEL_BATCH = limits.scannerBatchMax

interface CancelStep {
  readonly outcome: CancelFlowOutcome
  readonly ended: readonly EndedMember[]
}

/**
 * Cancels a flow by policy. The flag and the first batch of members go in one step; then the call waits out every claim
 * that may not have seen the flag, so that nothing is handed out after the answer.
 */
export async function cancelFlow(ctx: PostgresContext, params: CancelFlow): Promise<CancelFlowOutcome> {
  checkCancelFlow(params)
  const partition = await partitionOf(ctx, params.flowId)
  let step = await cancelOnce(ctx, partition, params)
  // A replay that goes in several steps is finished first.
  while (step === undefined) {
    await finishReset(ctx, partition, params.flowId)
    step = await cancelOnce(ctx, partition, params)
  }
  const { outcome, ended } = step
  if (outcome.outcome === 'flow_terminal' || outcome.outcome === 'flow_not_open') return outcome
  await ctx.db.call('select ff.quiesce()')
  tellEnded(ctx, ended)
  ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
  kickDispatch(ctx, [partition])
  if (ended.length === CANCEL_BATCH) kickBacklog(ctx, partition, params.flowId)
  if (outcome.outcome === 'cancelled' || !params.waitMs) return outcome
  return awaitMembers(ctx, params.flowId, params.waitMs)
}

/** Answers nothing while the flow is being reset by a replay. */
async function cancelOnce(
  ctx: PostgresContext,
  partition: number,
  { flowId, namespace, policy, finalisers = true }: CancelFlow,
): Promise<CancelStep | undefined> {
  await settleIfOver(ctx, partition, flowId, namespace)
  return ctx.db.transaction(async (tx) => {
    const flow = await lockFlow(tx, { partition, flowId, namespace })
    const refuse = (outcome: 'flow_terminal' | 'flow_not_open'): CancelStep => ({
      outcome: { outcome, flowState: flow.state },
      ended: [],
    })
    switch (flow.state) {
      case 'completed':
      case 'failed':
      case 'cancelled':
        return refuse('flow_terminal')
      case 'replaying':
        return undefined
      case 'draft':
        return cancelDraft(tx, partition, flow, 'flow')
      default:
        if (policy !== 'flow_only') return startCancel(tx, partition, flow, policy, finalisers)
        return flow.state === 'open' ? leaveFlow(tx, partition, flowId) : refuse('flow_not_open')
    }
  })
}

/** A draft goes as a whole, `always` nodes included. The caller holds its row. */
export async function cancelDraft(
  tx: Executor,
  partition: number,
  { id }: FlowStateRow,
  cause: CancelCause,
): Promise<CancelStep> {
  await tx.query(
    `update ff.flow set state = 'cancelling', cancel_policy = 'cancel_all', cancel_finalisers = false,
       cancel_requested_at = ff.now_ms(), draft_expires_at = null, due_at = null, unprojected = true
     where partition_key = $1 and id = $2`,
    [partition, id],
  )
  await tx.query('select ff.unpark_entries($1)', [id])
  return cancelNext(tx, partition, id, { cause, sparesActive: false, sparesAlways: false })
}

/** The flow ends; its members run on, and their ends no longer touch it. */
async function leaveFlow(tx: Executor, partition: number, flowId: FlowId): Promise<CancelStep> {
  const frozen = await selectResult(tx, partition, flowId)
  await tx.query(
    `update ff.flow set state = 'cancelled', cancel_policy = 'flow_only', cancel_finalisers = true, unprojected = true,
       cancel_requested_at = ff.now_ms(), terminal_at = ff.now_ms(), due_at = null, frozen_result = $3::jsonb
     where partition_key = $1 and id = $2`,
    [partition, flowId, JSON.stringify(frozen)],
  )
  return { outcome: { outcome: 'cancelled' }, ended: [] }
}

/** A later call may widen a cancel, never narrow it. */
async function startCancel(
  tx: Executor,
  partition: number,
  flow: FlowStateRow,
  asked: 'cancel_all' | 'cancel_pending',
  finalisers: boolean,
): Promise<CancelStep> {
  const policy = flow.cancel_policy === 'cancel_all' ? 'cancel_all' : asked
  const sparesAlways = (flow.cancel_finalisers ?? true) && finalisers
  await tx.query(
    `update ff.flow set state = 'cancelling', cancel_policy = $3, cancel_finalisers = $4, unprojected = true,
       cancel_requested_at = coalesce(cancel_requested_at, ff.now_ms())
     where partition_key = $1 and id = $2`,
    [partition, flow.id, policy, sparesAlways],
  )
  return cancelNext(tx, partition, flow.id, {
    cause: 'flow',
    sparesActive: policy === 'cancel_pending',
    sparesAlways,
  })
}

interface Spared {
  readonly cause: CancelCause
  readonly sparesActive: boolean
  readonly sparesAlways: boolean
}

/** The next members, and what is left: a full batch leaves the rest to the backlog, none at all a settlement. */
async function cancelNext(
  tx: Executor,
  partition: number,
  flowId: FlowId,
  spared: Spared,
): Promise<CancelStep> {
  const ended = await cancelBatch(tx, partition, flowId, spared)
  if (ended.length === CANCEL_BATCH) {
    await tx.query(
      `insert into ff.cancel_backlog (partition_key, flow_id, enqueued_at) values ($1, $2, ff.now_ms()) on conflict do nothing`,
      [partition, flowId],
    )
  }
  const remaining = await countOpen(tx, flowId)
  if (remaining === 0 && ended.length === 0) await leaveSettlement(tx, partition, flowId)
  return {
    outcome: remaining === 0 ? { outcome: 'cancelled' } : { outcome: 'cancelling', remaining, failures: [] },
    ended,
  }
}

export async function cancelBatch(
  tx: Executor,
  partition: number,
  flowId: FlowId,
  { cause, sparesActive, sparesAlways }: Spared,
): Promise<readonly EndedMember[]> {
  const [row] = await tx.query<{ ended: readonly EndedMember[] }>(
    'select ff.cancel_members($1, $2, $3::ff.cancel_cause, $4, $5, $6, ff.now_ms()) as ended',
    [partition, flowId, cause, sparesActive, sparesAlways, CANCEL_BATCH],
  )
  return row?.ended ?? []
}

export async function countOpen(executor: Executor, flowId: FlowId): Promise<number> {
  const [row] = await executor.query<{ n: number }>(
    `select count(*) as n from ff.execution where flow_id = $1 and lifecycle_phase <> 'terminal'`,
    [flowId],
  )
  return row?.n ?? 0
}

/** Nobody's end will come to settle a flow that has no open member and no end in the outbox. */
export async function leaveSettlement(tx: Executor, partition: number, flowId: FlowId): Promise<void> {
  await tx.query(
    `insert into ff.completion_event (partition_key, kind, flow_id)
     select $1, 'flow_settled', $2
     where not exists (select 1 from ff.completion_event where flow_id = $2 and kind in ('completion', 'flow_settled'))`,
    [partition, flowId],
  )
}
