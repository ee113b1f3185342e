import {
  type CancelBacklogItem,
  checkScanRequest,
  type FlowId,
  isEngineError,
  makePartitionTag,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { CANCEL_BATCH, cancelBatch, countOpen, leaveSettlement } from '../flows/cancel.js'
import { tryLockFlow } from '../flows/flow-state.js'
import { kickDispatch } from './dispatch.js'
import { type EndedMember, tellEnded } from './hop.js'

/** The next members of cancelling flows that were too large for one step. */
export async function drainCancelBacklog(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<CancelBacklogItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const flows = await ctx.db.query<{ flow_id: FlowId }>(
    'select flow_id from ff.cancel_backlog where partition_key = $1 order by enqueued_at, flow_id limit $2',
    [partition, params.max],
  )
  const items: CancelBacklogItem[] = []
  for (const { flow_id: flowId } of flows) {
    try {
      const { ended, remaining, done } = await drainFlow(ctx, partition, flowId)
      tellEnded(ctx, ended)
      if (ended.length > 0) ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
      items.push({ outcome: done ? 'done' : 'advanced', flowId, cancelled: ended.length, remaining })
    } catch (fault) {
      if (!isEngineError(fault) || fault.kind === 'unavailable' || fault.kind === 'transport') throw fault
      items.push({ outcome: 'error', flowId, cancelled: 0, remaining: 0 })
    }
  }
  if (items.length > 0) kickDispatch(ctx, [partition])
  return { items, more: items.some(({ outcome }) => outcome === 'advanced') || flows.length === params.max }
}

interface BacklogStep {
  readonly ended: readonly EndedMember[]
  readonly remaining: number
  readonly done: boolean
}

async function drainFlow(ctx: PostgresContext, partition: number, flowId: FlowId): Promise<BacklogStep> {
  return ctx.db.transaction(async (tx) => {
    const flow = await tryLockFlow(tx, partition, flowId)
    const isCancelling = flow?.state === 'cancelling'
    const ended = isCancelling
      ? await cancelBatch(tx, partition, flowId, {
          cause: 'flow',
          sparesActive: flow.cancel_policy === 'cancel_pending',
          sparesAlways: flow.cancel_finalisers ?? true,
        })
      : []
    const done = ended.length < CANCEL_BATCH
    if (done)
      await tx.query('delete from ff.cancel_backlog where partition_key = $1 and flow_id = $2', [
        partition,
        flowId,
      ])
    const remaining = await countOpen(tx, flowId)
    if (isCancelling && remaining === 0) await leaveSettlement(tx, partition, flowId)
    return { ended, remaining, done }
  })
}

/**
 * Goes on, without waiting, with a flow that was too large for the call that cancels it. Should this process end, the
 * backlog is the reconciler's.
 */
export function kickBacklog(ctx: PostgresContext, partition: number, flowId: FlowId): void {
  if (!ctx.settings.dispatchInProcess) return
  const drive = async () => {
    for (let done = false; !done && !ctx.closing.aborted; ) {
      const step = await drainFlow(ctx, partition, flowId)
      tellEnded(ctx, step.ended)
      kickDispatch(ctx, [partition])
      done = step.done
    }
  }
  // What fails here is where it was, and is reported by the pass that meets it next.
  drive().catch(() => {})
}
