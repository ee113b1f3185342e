import {
  checkScanRequest,
  type DependencyReconcileItem,
  type FlowId,
  isEngineError,
  limits,
  makeExecutionId,
  makePartitionTag,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { kickDispatch } from './dispatch.js'
import { tellReady } from './hop.js'

interface Found {
  readonly flow_id: FlowId
  readonly node: string
  readonly outcome: 'edge_resolved' | 'group_decided' | 'unknown_policy'
}

interface RepairAnswer {
  readonly items: readonly { readonly outcome: 'edge_resolved' | 'group_decided'; readonly node: string }[]
  readonly lanes: readonly number[] | null
}

/**
 * The net under the dispatcher: pending edges whose upstream has ended, whatever the policy, and groups that their
 * counters decide but that aren't marked; and flows whose last end nobody looked at. In a healthy system it finds nothing.
 */
export async function reconcileDependencies(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<DependencyReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const max = Math.min(params.max, limits.dependencyReconcileMax)
  const found = await ctx.db.query<Found>('select flow_id, node, outcome from ff.find_undone($1, $2)', [
    partition,
    max,
  ])
  const items: DependencyReconcileItem[] = []
  for (const { flow_id, node, outcome } of found) {
    if (outcome !== 'unknown_policy') continue
    items.push({ outcome, flowId: flow_id, executionId: makeExecutionId(partition, node) })
  }
  const flows = [
    ...new Set(found.filter(({ outcome }) => outcome !== 'unknown_policy').map(({ flow_id }) => flow_id)),
  ]
  for (const flowId of flows) items.push(...(await repairFlow(ctx, partition, flowId, max)))
  const [settlements] = await ctx.db.call<{ left: number }>('select ff.leave_settlements($1, $2) as left', [
    partition,
    max,
  ])
  if (flows.length > 0 || (settlements?.left ?? 0) > 0) {
    ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
    kickDispatch(ctx, [partition])
  }
  return { items, more: found.length === max }
}

async function repairFlow(
  ctx: PostgresContext,
  partition: number,
  flowId: FlowId,
  max: number,
): Promise<readonly DependencyReconcileItem[]> {
  try {
    const [row] = await ctx.db.call<{ repair: RepairAnswer | null }>(
      'select ff.repair_flow($1, $2, $3) as repair',
      [partition, flowId, max],
    )
    tellReady(ctx, row?.repair?.lanes ?? [])
    return (row?.repair?.items ?? []).map(({ outcome, node }) => ({
      outcome,
      flowId,
      executionId: makeExecutionId(partition, node),
    }))
  } catch (fault) {
    if (!isEngineError(fault) || fault.kind === 'unavailable' || fault.kind === 'transport') throw fault
    return [{ outcome: 'error', flowId, executionId: makeExecutionId(partition, flowId) }]
  }
}
