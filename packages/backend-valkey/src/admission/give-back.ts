import type { ValkeyContext } from '../context.js'
import type { ItemArg } from '../library/invoke.js'
import { byTag, tagOfResource } from './resource-names.js'
import { wakeAndForget } from './wake.js'

/** What is given back of one quota's key or budget. */
export interface GivenBack {
  readonly name: string
  readonly held: readonly HeldLeases[]
  /** The place of a waiter. */
  readonly waits?: { readonly waiter: string; readonly token: string } | undefined
}

/** Leases of one origin, flat: UUID of the execution and number of its lease. */
export type HeldLeases = readonly [origin: string, withUnits: boolean, leases: readonly (string | number)[]]

/** One call for each partition, sent together; whoever has room by that is woken. Twice is as good as once. */
export async function giveBack(ctx: ValkeyContext, items: readonly GivenBack[]): Promise<void> {
  if (items.length === 0) return
  const groups = await byTag(items, ({ name }) => tagOfResource(ctx, name))
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      const { reply: mayWake } = await ctx.invoke({ name: 'admission_give_back', tag, args: [pack(group)] })
      if (mayWake) await wakeAndForget(ctx, tag)
    }),
  )
}

type Named = ItemArg<'admission_give_back', 0>

/** By what it is given back to. */
function pack(items: readonly GivenBack[]): Named[] {
  const byName = new Map<string, Named>()
  for (const { name, held, waits } of items) {
    const [, leases, waiters] = byName.get(name) ?? remember(byName, name)
    for (const [origin, withUnits, list] of held) leases.push([origin, withUnits, [...list]])
    if (waits !== undefined) waiters.push([waits.waiter, waits.token])
  }
  return [...byName.values()]
}

function remember(byName: Map<string, Named>, name: string): Named {
  const named: Named = [name, [], []]
  byName.set(name, named)
  return named
}
