import { type FlowId, partitionOfFlow } from '@flowfabric/core'
import { byTag } from '../admission/resource-names.js'
import type { ValkeyContext } from '../context.js'

/**
 * What became of budgets is written down with the change, `number|budget|change|period|namespace`, and then carried to the
 * partition whose feed tells it: by whoever made the change, or if that dies, by `wakeParked`. What was told is not told again.
 */
export async function tellFeed(
  ctx: ValkeyContext,
  tag: string,
  announcements: readonly string[],
): Promise<void> {
  if (announcements.length === 0) return
  const { flow } = await ctx.partitions()
  const groups = await byTag(announcements, (text) => {
    const [, budgetId = ''] = text.split('|')
    return `fp:${partitionOfFlow(budgetId as FlowId, flow)}`
  })
  await Promise.all(
    [...groups].map(([of, group]) =>
      ctx.invoke({
        name: 'admission_tell',
        tag: of,
        args: [group.map(toTold).sort(([one], [other]) => one - other)],
      }),
    ),
  )
  await ctx.invoke({ name: 'admission_done', tag, args: ['announcements', [...announcements]] })
}

function toTold(text: string): [number, string, string, number, string] {
  const [number, budgetId = '', change = '', period, ...namespace] = text.split('|')
  return [Number(number), budgetId, change, Number(period), namespace.join('|')]
}
