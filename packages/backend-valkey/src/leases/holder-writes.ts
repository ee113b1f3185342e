import {
  checkDelay,
  checkRenew,
  checkYield,
  type DelayLeases,
  type DelayOutcome,
  must,
  type RenewLeases,
  type RenewOutcome,
  type YieldLeases,
  type YieldOutcome,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { asList } from '../library/as-list.js'
import { causeLetters } from '../records/letters.js'
import { readRefusal } from './refusal.js'
import { writeEach } from './write-each.js'

/** Writes of holders beside ends. */

type Item<Name extends 'leases_renew' | 'leases_delay' | 'leases_yield'> =
  LibraryFunctions[Name]['args'][1][number]

/** Extends leases; never shortens one. */
export async function renewLeases(
  ctx: ValkeyContext,
  params: RenewLeases,
): Promise<{ readonly items: readonly RenewOutcome[] }> {
  const items = await writeEach(ctx, checkRenew(params), async (tag, placed) => {
    const { reply } = await ctx.invoke({
      name: 'leases_renew',
      tag,
      args: [
        [...params.namespaces],
        placed.map(
          ({ handle, index }): Item<'leases_renew'> => [
            ...handle,
            must(params.items[index], 'an item').leaseTtlMs,
          ],
        ),
      ],
    })
    return asList(reply).map(toRenewed)
  })
  return { items }
}

function toRenewed(reply: readonly unknown[]): RenewOutcome {
  const [outcome, expiresAtMs, graceEndsAtMs, cause] = reply
  if (outcome !== 'renewed') return readRefusal(reply)
  return {
    outcome,
    expiresAtMs: Number(expiresAtMs),
    cancelRequested:
      cause === '' ? null : { graceEndsAtMs: Number(graceEndsAtMs), cause: causeLetters.read(cause) },
  }
}

/** Gives leases back and keeps their attempts until a time. */
export async function delayLeases(
  ctx: ValkeyContext,
  params: DelayLeases,
): Promise<{ readonly items: readonly DelayOutcome[] }> {
  const items = await writeEach(ctx, checkDelay(params), async (tag, placed) => {
    const { reply } = await ctx.invoke({
      name: 'leases_delay',
      tag,
      args: [
        [...params.namespaces],
        placed.map(
          ({ handle, index }): Item<'leases_delay'> => [
            ...handle,
            must(params.items[index], 'an item').untilMs,
          ],
        ),
      ],
    })
    return asList(reply).map(toDelayed)
  })
  return { items }
}

function toDelayed(reply: readonly unknown[]): DelayOutcome {
  const [outcome, untilMs] = reply
  if (outcome === 'delayed') return { outcome, untilMs: Number(untilMs) }
  return outcome === 'cancelled' ? { outcome } : readRefusal(reply)
}

/** Hands back work that was not started. */
export async function yieldLeases(
  ctx: ValkeyContext,
  params: YieldLeases,
): Promise<{ readonly items: readonly YieldOutcome[] }> {
  const items = await writeEach(ctx, checkYield(params), async (tag, placed) => {
    const { reply } = await ctx.invoke({
      name: 'leases_yield',
      tag,
      args: [[...params.namespaces], placed.map(({ handle }): Item<'leases_yield'> => [...handle])],
    })
    return asList(reply).map(toYielded)
  })
  return { items }
}

function toYielded(reply: readonly unknown[]): YieldOutcome {
  const [outcome] = reply
  if (outcome === 'yielded' || outcome === 'cancelled' || outcome === 'attempt_has_effects')
    return { outcome }
  return readRefusal(reply)
}
