import { checkScanRequest, type LaneOperations } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { configureLane } from './configure.js'
import { listLanes } from './list.js'
import { setLaneState } from './set-state.js'

export function createLanes(ctx: PostgresContext): LaneOperations {
  return {
    configure: (params) => configureLane(ctx, params),
    list: (params) => listLanes(ctx, params),
    setState: (params) => setLaneState(ctx, params),
    // A lane is one row here: there is no copy that could lag behind.
    async syncCopies(params) {
      checkScanRequest(params, await ctx.partitions())
      return { items: [], more: false }
    },
  }
}
