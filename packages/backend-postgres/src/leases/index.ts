import type { LeaseOperations } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Claimer } from './claim.js'
import { createFinisher } from './finish.js'
import { delayLeases, yieldLeases } from './hand-back.js'
import { createRenew } from './renew.js'
import { revokeLease } from './revoke.js'

export function createLeases(ctx: PostgresContext, claimer: Claimer): LeaseOperations {
  const finisher = createFinisher(ctx, claimer)
  return {
    claim: (params) => claimer.claim(params),
    renew: createRenew(ctx),
    complete: (params) => finisher.complete(params),
    fail: (params) => finisher.fail(params),
    delay: (params) => delayLeases(ctx, params),
    yield: (params) => yieldLeases(ctx, params),
    revoke: (params) => revokeLease(ctx, params),
  }
}
