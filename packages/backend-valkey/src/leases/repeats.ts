import type { ClaimedExecution } from '@flowfabric/core'
import { readHanded } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'
import type { ClaimKey } from './claim-memory.js'
import { inOrder, type RankedExecution, toRankedEach } from './claimed.js'

/**
 * What the claim got when it was sent before, as far as it is still held: nothing as a rule, and then without a call. All
 * partitions are asked once for each instance, when this process begins to serve it, and again when another one did.
 */
export async function heldByClaim(ctx: ValkeyContext, claim: ClaimKey): Promise<readonly ClaimedExecution[]> {
  const places = ctx.claims.placesOf(claim)
  if (places?.length === 0) return []
  const isNew = places === undefined
  const tags = places ?? tagsOf('flow', (await ctx.partitions()).flow)
  // Before it asks: whoever begins to serve the instance meanwhile is heard.
  if (isNew) await ctx.readyMap()
  if (isNew) ctx.claims.adopt(claim.instanceId)
  const asked = await Promise.allSettled(
    tags.map((tag, index) => ask(ctx, claim, tag, isNew, isNew && index === 0)),
  )
  asked.forEach((answer, index) => {
    // A partition that could not be asked is asked again when the claim comes again.
    if (answer.status === 'rejected') ctx.claims.note(claim, tags[index] ?? '')
  })
  if (isNew) ctx.claims.settle(claim.instanceId)
  const [first] = asked
  const areAllLost = asked.every(({ status }) => status === 'rejected')
  if (areAllLost && first?.status === 'rejected') throw first.reason
  return inOrder(asked.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])))
}

async function ask(
  ctx: ValkeyContext,
  claim: ClaimKey,
  tag: string,
  adopts: boolean,
  tells: boolean,
): Promise<readonly RankedExecution[]> {
  const { instanceId, claimId } = claim
  const { reply, bytes } = await ctx.invoke({
    name: 'leases_held',
    tag,
    args: [instanceId, claimId, adopts, tells],
  })
  const [leases, claims] = reply
  if (asList(leases).length === 0) ctx.claims.clear(claim, tag)
  // The latest last, since the first are forgotten first.
  for (const held of [...asList(claims)].reverse()) ctx.claims.note({ instanceId, claimId: held }, tag)
  const partition = Number(tag.slice('fp:'.length))
  return toRankedEach(
    ctx,
    partition,
    asList(leases).map((each) => readHanded(each, bytes)),
  )
}
