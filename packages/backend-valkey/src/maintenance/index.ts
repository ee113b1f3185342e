import { checkScanRequest, type MaintenanceOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { advanceTime, readServerTimeMs } from './clock.js'
import { describeStore, pingStore } from './describe.js'
import { drainTimers } from './drain-timers.js'
import { prepare } from './prepare.js'
import { pulse } from './pulse.js'
import { reconcileIndexes } from './reconcile-indexes.js'
import { trimRetention } from './trim-retention.js'

export function createMaintenance(ctx: ValkeyContext, close: () => Promise<void>): MaintenanceOperations {
  return {
    pulse: (params) => pulse(ctx, params),
    drainTimers: (params) => drainTimers(ctx, params),
    reconcileIndexes: (params) => reconcileIndexes(ctx, params),
    trimRetention: (params) => trimRetention(ctx, params),
    // Nothing here has to be folded, numbered or vacuumed.
    async upkeep(params) {
      checkScanRequest(params, await ctx.partitions())
      return { items: [], more: false }
    },
    describe: () => describeStore(ctx),
    serverTimeMs: () => readServerTimeMs(ctx),
    ping: () => pingStore(ctx),
    prepare: (params) => prepare(ctx, params),
    advanceTime: (params) => advanceTime(ctx, params),
    close,
  }
}
