import type { SuspensionOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { createSignalDelivery } from './deliver-signal.js'
import { listSignals } from './list-signals.js'
import { rememberSuspensions } from './remembered.js'
import { suspend } from './suspend.js'
import { closeWaitpoint, createWaitpoint, findWaitpoint, listWaitpoints } from './waitpoints.js'

export function createSuspensions(ctx: ValkeyContext): SuspensionOperations {
  const remembered = rememberSuspensions()
  return {
    suspend: (params) => suspend(ctx, remembered, params),
    createWaitpoint: (params) => createWaitpoint(ctx, params),
    closeWaitpoint: (params) => closeWaitpoint(ctx, params),
    findWaitpoint: (params) => findWaitpoint(ctx, params),
    listWaitpoints: (params) => listWaitpoints(ctx, params),
    deliverSignal: createSignalDelivery(ctx, remembered),
    listSignals: (params) => listSignals(ctx, params),
  }
}
