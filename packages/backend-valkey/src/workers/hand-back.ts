import { type InstanceId, isEngineError } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { isOfItem } from '../leases/item-error.js'
import { tagsOf } from '../maintenance/prepare.js'

/** Leases of one call. */
const LEASES_MAX = 100

/** What the instance still holds is claimable again at once, as if its leases had run out now. Answers how many that were. */
export async function handBackAll(ctx: ValkeyContext, instanceId: InstanceId): Promise<number> {
  const { flow } = await ctx.partitions()
  const counts = await Promise.all(tagsOf('flow', flow).map((tag) => handBackIn(ctx, tag, instanceId)))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** What leads to something unreadable is left to its timer, and keeps nothing else back. */
async function handBackIn(ctx: ValkeyContext, tag: string, instanceId: InstanceId): Promise<number> {
  let count = 0
  let from = 0
  let max = LEASES_MAX
  let passedOver = 0
  for (;;) {
    try {
      const { reply } = await ctx.invoke({ name: 'leases_hand_back', tag, args: [instanceId, from, max] })
      const [handedBack, left, more] = reply
      count += handedBack
      from += left
      passedOver = 0
      if (!more) return count
    } catch (fault) {
      if (!isEngineError(fault) || !isOfItem(fault)) throw fault
      // So many in a row: it is no lease that is unreadable, but what lists them.
      if (passedOver === LEASES_MAX) throw fault
      if (max === 1) {
        from += 1
        passedOver += 1
      }
      max = 1
    }
  }
}
