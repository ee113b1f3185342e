import { type FlowId, limits, makePartitionTag, type TimerItem } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { cancelDraft } from '../flows/cancel.js'
import { tryLockFlow } from '../flows/flow-state.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { type EndedMember, tellEnded } from '../resolution/hop.js'

/** Members that one statement of a passed deadline ends. */
const EXPIRE_BATCH = limits.scannerBatchMax

interface Applied {
  readonly timer: 'flow_deadline' | 'draft_expiry'
  readonly dueAtMs: number
  readonly ended: readonly EndedMember[]
}

/** What flows wait for: the end of a draft's time, and of a flow's. One step for each flow. */
export async function drainFlowTimers(
  ctx: PostgresContext,
  partition: number,
  max: number,
): Promise<readonly TimerItem[]> {
  const due = await ctx.db.query<{ id: FlowId }>(
    `select id from ff.flow where partition_key = $1 and due_at <= ff.now_ms() and state in ('draft', 'open', 'cancelling')
     order by due_at, id limit $2`,
    [partition, max],
  )
  const items: TimerItem[] = []
  for (const { id } of due) {
    const applied = await ctx.db.transaction((tx) => applyDue(tx, partition, id))
    if (applied === undefined) continue
    tellEnded(ctx, applied.ended)
    ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
    items.push({ outcome: 'applied', timer: applied.timer, id, dueAtMs: applied.dueAtMs })
  }
  if (items.length > 0) kickDispatch(ctx, [partition])
  return items
}

/** Looks again under the flow's lock; answers nothing when there is nothing to apply any more. */
async function applyDue(tx: Executor, partition: number, flowId: FlowId): Promise<Applied | undefined> {
  const flow = await tryLockFlow(tx, partition, flowId)
  const [timer] = await tx.query<{ due_at: number | null; is_due: boolean }>(
    'select due_at, coalesce(due_at <= ff.now_ms(), false) as is_due from ff.flow where partition_key = $1 and id = $2',
    [partition, flowId],
  )
  if (flow === undefined || timer?.due_at === undefined || timer.due_at === null || !timer.is_due)
    return undefined
  const dueAtMs = timer.due_at
  if (flow.state === 'draft') {
    const { ended } = await cancelDraft(tx, partition, flow, 'draft_expired')
    return { timer: 'draft_expiry', dueAtMs, ended }
  }
  if (flow.state !== 'open' && flow.state !== 'cancelling') return undefined
  // All of them in one transaction: a member that is left could still start.
  const ended: EndedMember[] = []
  for (let more = true; more; ) {
    const batch = await expireMembers(tx, partition, flowId)
    ended.push(...batch)
    more = batch.length === EXPIRE_BATCH
  }
  await tx.query(
    'update ff.flow set due_at = null, unprojected = true where partition_key = $1 and id = $2',
    [partition, flowId],
  )
  return ended.length === 0 ? undefined : { timer: 'flow_deadline', dueAtMs, ended }
}

async function expireMembers(
  tx: Executor,
  partition: number,
  flowId: FlowId,
): Promise<readonly EndedMember[]> {
  const open = await tx.query<{ id: string }>(
    `select id from ff.execution where flow_id = $1 and lifecycle_phase <> 'terminal' order by id limit $2 for no key update`,
    [flowId, EXPIRE_BATCH],
  )
  if (open.length === 0) return []
  const ended = await tx.query<{ id: string; was_active: boolean }>(
    `select id, was_active from ff.end_executions($1::integer[], $2::uuid[], 'expired', 'deadline', 'ended_cancelled', null,
       '{"category":"deadline","message":"The deadline of the flow passed."}'::jsonb, ff.now_ms())`,
    [open.map(() => partition), open.map(({ id }) => id)],
  )
  return ended.map(({ id, was_active }) => ({ id, partition, wasActive: was_active }))
}
