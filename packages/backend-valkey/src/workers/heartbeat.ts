import { checkWorkerHeartbeat, type WorkerHeartbeat, type WorkerOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { homeTag } from '../maintenance/prepare.js'
import { handBackAll } from './hand-back.js'
import { owes } from './owes.js'

type Answer = Awaited<ReturnType<WorkerOperations['heartbeat']>>

/** Says that an instance lives, or with `goodbye` that it doesn't any more. It decides nothing about leases otherwise. */
export async function heartbeatWorker(ctx: ValkeyContext, params: WorkerHeartbeat): Promise<Answer> {
  checkWorkerHeartbeat(params)
  const { instanceId, namespaces, active, goodbye } = params
  if (goodbye === true) return sayGoodbye(ctx, params)
  const { reply } = await ctx.invoke({
    name: 'workers_beat',
    tag: homeTag,
    args: [instanceId, [...namespaces], active],
  })
  const [isKnown, draining] = reply
  return isKnown ? { outcome: 'beating', draining } : { outcome: 'unknown_instance', draining: false }
}

/** From the first step on nobody is told of it; it is removed when all that it held was handed back. */
async function sayGoodbye(ctx: ValkeyContext, { instanceId, namespaces }: WorkerHeartbeat): Promise<Answer> {
  const { reply } = await ctx.invoke({
    name: 'workers_leave',
    tag: homeTag,
    args: [instanceId, [...namespaces]],
  })
  const [isKnown, draining, seenMs] = reply
  if (!isKnown) return { outcome: 'unknown_instance', draining: false }
  await handBackAll(ctx, instanceId)
  await ctx.invoke({ name: 'workers_settle', tag: homeTag, args: [instanceId, owes.andGoes, seenMs, true] })
  return { outcome: 'gone', draining }
}
