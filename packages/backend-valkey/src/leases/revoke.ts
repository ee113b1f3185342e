import { checkRevoke, partitionIndexOf, type RevokeLease, type RevokeOutcome, uuidOf } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { orNotFound } from '../library/not-found.js'
import { readRefusal } from './refusal.js'

/** An operator takes a lease away, as if it had expired now. */
export async function revokeLease(ctx: ValkeyContext, params: RevokeLease): Promise<RevokeOutcome> {
  checkRevoke(params, await ctx.partitions())
  const { reply } = await orNotFound(
    ctx.invoke({
      name: 'leases_revoke',
      tag: `fp:${partitionIndexOf(params.id)}`,
      args: [params.namespace, uuidOf(params.id)],
    }),
    () => executionNotFound(params.id),
  )
  if (reply[0] === 'revoked')
    return { outcome: 'revoked', next: reply[1] as 'reclaimable' | 'failed' | 'cancelled' }
  return readRefusal(reply) as Extract<RevokeOutcome, { readonly outcome: 'execution_not_active' }>
}
