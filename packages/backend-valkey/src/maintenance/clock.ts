import { engineError } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { allTags, homeTag } from './prepare.js'

/** The store's clock. */
export async function readServerTimeMs(ctx: Pick<ValkeyContext, 'invoke'>): Promise<number> {
  const { reply } = await ctx.invoke({ name: 'maintenance_clock', tag: homeTag, args: [] })
  return reply
}

/** Moves the clocks of a store that was made for tests, partition by partition; they never go back. */
export async function advanceTime(
  ctx: ValkeyContext,
  { byMs }: { readonly byMs: number },
): Promise<{ readonly nowMs: number }> {
  if (!Number.isSafeInteger(byMs) || byMs < 0) {
    throw engineError('invalid_params', 'byMs is not a whole number of 0 or more', {
      issues: [{ path: 'byMs', message: 'must be a whole number of 0 or more' }],
    })
  }
  const home = await advance(ctx, homeTag, byMs)
  const others = allTags(await ctx.partitions()).filter((tag) => tag !== homeTag)
  await Promise.all(others.map((tag) => advance(ctx, tag, byMs)))
  return { nowMs: home }
}

async function advance(ctx: Pick<ValkeyContext, 'invoke'>, tag: string, byMs: number): Promise<number> {
  const { reply } = await ctx.invoke({ name: 'maintenance_advance', tag, args: [byMs] })
  const [isVirtual, nowMs] = reply
  if (!isVirtual) throw engineError('virtual_time_off', 'The store was not created for virtual time')
  return nowMs
}
