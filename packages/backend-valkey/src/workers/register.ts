import { checkRegisterWorker, type RegisterWorker } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { homeTag } from '../maintenance/prepare.js'
import { handBackAll } from './hand-back.js'
import { owes } from './owes.js'

/**
 * Announces an instance. What an instance of this id held is handed back, partition by partition: whoever registers starts with
 * nothing. A process that dies meanwhile leaves the rest to `reapDead`, and to the leases' own timers.
 */
export async function registerWorker(
  ctx: ValkeyContext,
  params: RegisterWorker,
): Promise<{ readonly outcome: 'registered'; readonly handedBack: number }> {
  checkRegisterWorker(params)
  const { workerId, instanceId, namespaces, lanes, kinds, capabilities, concurrency } = params
  const text = JSON.stringify({ workerId, lanes, kinds, capabilities, concurrency })
  const { reply: isKnown } = await ctx.invoke({
    name: 'workers_register',
    tag: homeTag,
    args: [instanceId, [...namespaces], text],
  })
  if (!isKnown) return { outcome: 'registered', handedBack: 0 }
  const handedBack = await handBackAll(ctx, instanceId)
  await ctx.invoke({ name: 'workers_settle', tag: homeTag, args: [instanceId, owes.andStays, 0, false] })
  return { outcome: 'registered', handedBack }
}
