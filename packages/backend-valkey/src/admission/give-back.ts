import type { ValkeyContext } from '../context.js'
import type { ItemArg } from '../library/invoke.js'
import { byTag, tagOfResource } from './resource-names.js'
import { wakeAndForget } from './wake.js'

/** What is given back of one quota's key or budget: what a holder has of it, or the place of a waiter. */
export interface GivenBack {
  readonly name: string
  /** '' for none. */
  readonly holder: string
  readonly withUnits: boolean
  /** '' for none. */
  readonly waiter: string
  readonly token: string
}

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
  for (const { name, holder, withUnits, waiter, token } of items) {
    const [, holders, waiters] = byName.get(name) ?? remember(byName, name)
    if (holder !== '') holders.push([holder, withUnits])
    if (token !== '') waiters.push([waiter, token])
  }
  return [...byName.values()]
}

function remember(byName: Map<string, Named>, name: string): Named {
  const named: Named = [name, [], []]
  byName.set(name, named)
  return named
}
