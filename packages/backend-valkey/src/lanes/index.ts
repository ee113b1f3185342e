import { checkConfigureLane, checkSetLaneState, type LaneOperations, type LaneState } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { changeLane } from './change-lane.js'
import { toLane } from './lane-record.js'
import { listLanes } from './list.js'
import { syncCopies } from './sync-copies.js'

export function createLanes(ctx: ValkeyContext): LaneOperations {
  return {
    async configure(params) {
      checkConfigureLane(params)
      const { namespace, lane, settings } = params
      const { record } = await changeLane(ctx, { namespace, lane, settings })
      return { outcome: 'configured', lane: toLane(namespace, lane, record) }
    },
    list: (params) => listLanes(ctx, params),
    async setState(params) {
      checkSetLaneState(params)
      const { namespace, lane, state } = params
      const { previous } = await changeLane(ctx, { namespace, lane, state })
      return { outcome: 'set', previous: previous as LaneState }
    },
    syncCopies: (params) => syncCopies(ctx, params),
  }
}
