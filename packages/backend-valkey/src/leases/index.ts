import type { LeaseOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { Claimer } from './claimer.js'
import { createFinisher } from './finish.js'
import { delayLeases, renewLeases, yieldLeases } from './holder-writes.js'
import { revokeLease } from './revoke.js'

export function createLeases(ctx: ValkeyContext, claimer: Claimer): LeaseOperations {
  const finisher = createFinisher(ctx, claimer)
  return {
    claim: (params) => claimer.claim(params),
    renew: (params) => renewLeases(ctx, params),
    complete: (params) => finisher.complete(params),
    fail: (params) => finisher.fail(params),
    delay: (params) => delayLeases(ctx, params),
    yield: (params) => yieldLeases(ctx, params),
    revoke: (params) => revokeLease(ctx, params),
  }
}
