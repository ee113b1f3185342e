import type { LaneId, Namespace, PublicState } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'
import { publicStateLetters } from '../records/letters.js'

export interface LaneDepth {
  readonly counts: Partial<Readonly<Record<PublicState, number>>>
  readonly oldestReadyAtMs: number | null
}

interface Tally {
  readonly counts: Partial<Record<PublicState, number>>
  oldestReadyAtMs: number | null
}

/**
 * What the namespace's lanes hold, or that one, over all partitions: lanes that hold nothing are left out. Each partition's
 * part is exact as of its own moment.
 */
export async function readDepths(
  ctx: Pick<ValkeyContext, 'invoke' | 'partitions'>,
  namespace: Namespace,
  lane?: LaneId,
): Promise<ReadonlyMap<LaneId, LaneDepth>> {
  const { flow } = await ctx.partitions()
  const depths = new Map<LaneId, Tally>()
  const depthOf = (name: string): Tally => {
    const known = depths.get(name as LaneId)
    if (known !== undefined) return known
    const depth: Tally = { counts: {}, oldestReadyAtMs: null }
    depths.set(name as LaneId, depth)
    return depth
  }
  await Promise.all(
    tagsOf('flow', flow).map(async (tag) => {
      const { reply } = await ctx.invoke({ name: 'lanes_depth', tag, args: [namespace, lane ?? ''] })
      const [counts, oldest] = reply
      for (const [name, letter, count] of asList(counts)) {
        const state = publicStateLetters.read(letter)
        const depth = depthOf(name)
        depth.counts[state] = (depth.counts[state] ?? 0) + count
      }
      for (const [name, readyAtMs] of asList(oldest)) {
        const depth = depthOf(name)
        depth.oldestReadyAtMs = Math.min(depth.oldestReadyAtMs ?? readyAtMs, readyAtMs)
      }
    }),
  )
  return depths
}
