import type { ParkedBy } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { ItemArg } from '../library/invoke.js'
import { readResourceName, readWaiter } from './resource-names.js'

export interface Woken {
  readonly by: ParkedBy
  readonly count: number
}

/** Waiters of one pass that nobody asked for. */
const WAKES_MAX = 256

/**
 * Wakes who can be admitted together: first their lines, then they are taken from those who wait. Whoever dies between the two
 * leaves them there, and they are woken again.
 */
export async function wakeIn(
  ctx: Pick<ValkeyContext, 'invoke'>,
  tag: string,
  max: number,
): Promise<{ readonly woken: readonly Woken[]; readonly more: boolean }> {
  const { reply } = await ctx.invoke({ name: 'admission_wakeable', tag, args: [max] })
  const names = asList(reply[0])
  if (names.length === 0) return { woken: [], more: reply[1] }
  const lines = new Map<string, Set<string>>()
  for (const [, waiters] of names) {
    for (const [waiter] of asList(waiters)) {
      const { tag: of, line } = readWaiter(waiter)
      lines.set(of, (lines.get(of) ?? new Set()).add(line))
    }
  }
  await Promise.all(
    [...lines].map(([of, ids]) => ctx.invoke({ name: 'admission_wake', tag: of, args: [[...ids]] })),
  )
  await ctx.invoke({
    name: 'admission_woken',
    tag,
    args: [names.map(([name, waiters]): ItemArg<'admission_woken', 0> => [name, [...asList(waiters)]])],
  })
  return {
    woken: names.map(([name, waiters]) => ({ by: readResourceName(name), count: asList(waiters).length })),
    more: reply[1],
  }
}

/** After something was given back. What fails is left to the sweep. */
export async function wakeAndForget(ctx: Pick<ValkeyContext, 'invoke'>, tag: string): Promise<void> {
  await wakeIn(ctx, tag, WAKES_MAX).catch(() => {})
}
