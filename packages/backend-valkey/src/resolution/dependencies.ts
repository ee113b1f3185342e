import {
  checkScanRequest,
  type DependencyReconcileItem,
  type FlowId,
  limits,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { isOneItems } from './faults.js'
import { type LivePosition, readLiveFlows } from './live-flows.js'

/** Flows that one call of the function looks at, and those of one pass. */
const FLOWS_PER_STEP = 20
const FLOWS_PER_PASS = 1_000

/** Where the last pass over each partition stopped. Lost with the process: the next one begins anew. */
export type DependencyCursors = Map<number, LivePosition>

/**
 * The net under the dispatcher: pending edges whose upstream has ended, whatever the policy, and groups that their counters
 * decide but that aren't marked; and flows whose last end nobody looked at. In a healthy system it finds nothing.
 */
export async function reconcileDependencies(
  ctx: ValkeyContext,
  cursors: DependencyCursors,
  params: ScanRequest,
): Promise<ScanResult<DependencyReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const max = Math.min(params.max, limits.dependencyReconcileMax)
  const items: DependencyReconcileItem[] = []
  let after = cursors.get(partition) ?? ''
  cursors.delete(partition)
  for (let looked = 0; looked < FLOWS_PER_PASS; ) {
    const flows = (await readLiveFlows(ctx, partition, after, FLOWS_PER_STEP)).map(({ id }) => id)
    const last = flows.at(-1)
    if (last === undefined) return { items, more: false }
    for (const found of await repairFlows(ctx, partition, flows, max)) items.push(found)
    looked += flows.length
    after = last
    if (items.length >= max) break
  }
  cursors.set(partition, after)
  return { items: items.slice(0, max), more: true }
}

/** One flow that can't be looked at leaves the others unharmed. */
async function repairFlows(
  ctx: ValkeyContext,
  partition: number,
  flows: readonly FlowId[],
  max: number,
): Promise<readonly DependencyReconcileItem[]> {
  try {
    return await repair(ctx, partition, flows, max)
  } catch (fault) {
    if (!isOneItems(fault)) throw fault
    const [first] = flows
    if (first === undefined) return []
    if (flows.length === 1) {
      return [{ outcome: 'error', flowId: first, executionId: makeExecutionId(partition, first) }]
    }
    const items: DependencyReconcileItem[] = []
    for (const flow of flows) items.push(...(await repairFlows(ctx, partition, [flow], max)))
    return items
  }
}

/** What it finds in these flows is repaired, and told. */
async function repair(
  ctx: ValkeyContext,
  partition: number,
  flows: readonly FlowId[],
  max: number,
): Promise<readonly DependencyReconcileItem[]> {
  const items: DependencyReconcileItem[] = []
  let rest = flows
  let from = 1
  for (;;) {
    const { reply } = await ctx.invoke({
      name: 'resolution_reconcile_dependencies',
      tag: `fp:${partition}`,
      args: [[...rest], from, max],
    })
    const [found, at, place] = reply
    for (const [flow, outcome, node] of asList(found)) {
      items.push({
        outcome: outcome as 'edge_resolved' | 'group_decided' | 'unknown_policy',
        flowId: flow as FlowId,
        executionId: makeExecutionId(partition, node),
      })
    }
    if (at === 0) return items
    rest = rest.slice(at - 1)
    from = place
  }
}
