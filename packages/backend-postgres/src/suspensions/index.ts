import type { SuspensionOperations } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Claimer } from '../leases/claim.js'
import { createDeliverer } from './deliver-signal.js'
import { listSignals } from './list-signals.js'
import { suspend } from './suspend.js'
import { closeWaitpoint, createWaitpoint, findWaitpoint, listWaitpoints } from './waitpoints.js'

export function createSuspensions(ctx: PostgresContext, claimer: Claimer): SuspensionOperations {
  return {
    suspend: (params) => suspend(ctx, params),
    createWaitpoint: (params) => createWaitpoint(ctx, params),
    closeWaitpoint: (params) => closeWaitpoint(ctx, params),
    findWaitpoint: (params) => findWaitpoint(ctx, params),
    listWaitpoints: (params) => listWaitpoints(ctx, params),
    deliverSignal: createDeliverer(ctx, claimer),
    listSignals: (params) => listSignals(ctx, params),
  }
}
