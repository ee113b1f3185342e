import {
  type CancelBacklogItem,
  checkScanRequest,
  type FlowId,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { endNextMembers } from '../flows/finish.js'
import { asList } from '../library/as-list.js'
import { isOneItems } from './faults.js'

/** The next members of flows that were too large for one step. */
export async function drainCancelBacklog(
  ctx: ValkeyContext,
  params: ScanRequest,
): Promise<ScanResult<CancelBacklogItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const { reply } = await ctx.invoke({
    name: 'resolution_backlog',
    tag: `fp:${partition}`,
    args: [params.max],
  })
  const flows = asList(reply) as readonly FlowId[]
  const items: CancelBacklogItem[] = []
  for (const flowId of flows) {
    try {
      const { ended: cancelled, open: remaining, isDone } = await endNextMembers(ctx, flowId)
      items.push({ outcome: isDone ? 'done' : 'advanced', flowId, cancelled, remaining })
    } catch (fault) {
      if (!isOneItems(fault)) throw fault
      items.push({ outcome: 'error', flowId, cancelled: 0, remaining: 0 })
    }
  }
  return { items, more: items.some(({ outcome }) => outcome === 'advanced') || flows.length === params.max }
}
