import { type InstanceId, parsePartitionTag, type ScanRequest, type WorkerOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { homeTag } from '../maintenance/prepare.js'
import { handBackAll } from './hand-back.js'

/** An instance that was silent for so long is taken for dead. */
const SILENT_MS = 30_000

/**
 * Silence says nothing about leases: they run out by themselves. Whoever said goodbye has handed them back, or is one whose
 * goodbye was not finished: that is done here.
 */
export async function reapDead(
  ctx: ValkeyContext,
  { partition, max }: ScanRequest,
): ReturnType<WorkerOperations['reapDead']> {
  // The registry is in one place: any partition of any family stands for it.
  parsePartitionTag(partition)
  const { reply } = await ctx.invoke({ name: 'workers_reap', tag: homeTag, args: [SILENT_MS, max] })
  const [removed, owing, more] = reply
  const finished = asList(owing).map(async ([instanceId, owes, seenMs]) => {
    const handedBack = await handBackAll(ctx, instanceId as InstanceId)
    await ctx.invoke({ name: 'workers_settle', tag: homeTag, args: [instanceId, owes, seenMs, true] })
    return itemOf(instanceId, handedBack)
  })
  const items = [
    ...asList(removed).map((instanceId) => itemOf(instanceId, 0)),
    ...(await Promise.all(finished)),
  ]
  return { items: items.sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1)), more }
}

function itemOf(instanceId: string, handedBack: number) {
  return { outcome: 'removed' as const, instanceId: instanceId as InstanceId, handedBack }
}
