import {
  checkListLanes,
  completeCounts,
  type LaneId,
  type LaneView,
  type Namespace,
  type Scoped,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'
import { type LaneDepth, readDepths } from './depths.js'
import { defaultLane, type LaneRecord, requireLaneRecord, toLane } from './lane-record.js'

/** Lanes that were configured, and lanes that hold executions; the depth is the sum over all partitions. */
export async function listLanes(
  ctx: ValkeyContext,
  params: Scoped,
): Promise<{ readonly outcome: 'listed'; readonly lanes: readonly LaneView[] }> {
  checkListLanes(params)
  const { namespace } = params
  const [homes, depths] = await Promise.all([readHomes(ctx, namespace), readDepths(ctx, namespace)])
  const names = [...new Set([...homes.keys(), ...depths.keys()])].sort()
  return { outcome: 'listed', lanes: names.map((name) => viewLane(namespace, name, homes, depths)) }
}

function viewLane(
  namespace: Namespace,
  name: LaneId,
  homes: ReadonlyMap<LaneId, LaneRecord>,
  depths: ReadonlyMap<LaneId, LaneDepth>,
): LaneView {
  const home = homes.get(name)
  const depth = depths.get(name)
  return {
    ...(home === undefined ? defaultLane(namespace, name) : toLane(namespace, name, home)),
    depth: completeCounts(depth?.counts ?? {}),
    oldestReadyAtMs: depth?.oldestReadyAtMs ?? null,
  }
}

/** One call to each quota partition, sent together. */
async function readHomes(
  ctx: Pick<ValkeyContext, 'invoke' | 'partitions'>,
  namespace: Namespace,
): Promise<ReadonlyMap<LaneId, LaneRecord>> {
  const { quota } = await ctx.partitions()
  const lists = await Promise.all(
    tagsOf('quota', quota).map(async (tag) => {
      const { reply } = await ctx.invoke({ name: 'lanes_read', tag, args: [namespace, ''] })
      return asList(reply)
    }),
  )
  return new Map(
    lists.flat().map(([lane, record]) => [lane as LaneId, requireLaneRecord(record, `${namespace}/${lane}`)]),
  )
}
