import type { DispatchItem, FlowId } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { carryOut, ENTRIES_PER_HOP } from '../resolution/carry-out.js'
import { runHop } from '../resolution/hop.js'
import { placeOf } from './flow-place.js'

/** Entries of one step. */
const ENTRIES_MAX = 64
/** An end may leave a settlement, and a hop an end of which edges are left. */
const ROUNDS_MAX = 200

/**
 * The last end of an open flow was recorded before the call that asks: the flow came to its own end, whatever the
 * dispatcher has got to. Its entries of the outbox are carried out here, as far as they can be read; where there are too many
 * to find them, whatever is due comes first.
 */
export async function carryEnds(ctx: ValkeyContext, flowId: FlowId): Promise<void> {
  const { partition, tag } = await placeOf(ctx, flowId)
  const edges = ctx.settings.callMaxEdges
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const { reply } = await ctx.invoke({ name: 'flows_entries', tag, args: [flowId] })
    const [found, isKnown, state, open] = reply
    const entries = asList(found).slice(0, ENTRIES_MAX)
    if (state !== OPEN || open > 0 || (isKnown && entries.length === 0)) return
    const max = isKnown ? ENTRIES_MAX : ENTRIES_PER_HOP
    const hop = await runHop(ctx, { partition, entries, max, edges })
    for (const named of hop.named) await carryOut(ctx, partition, named)
    // An end that can't be read keeps its flow open as far as anyone can tell.
    if (isKnown && hop.items.some(isBroken)) return
  }
}

const OPEN = 'o'

function isBroken(item: DispatchItem): boolean {
  return item.outcome === 'error' || (item.outcome === 'advanced' && item.corrupt.length > 0)
}
