import { engineError, must, quotaNotFound } from '@flowfabric/core'
import type { Offer, OfferedItem } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import type { ItemArg } from '../library/invoke.js'
import { installQuota } from '../quotas/copies.js'
import type { PackedAmounts } from './packed-demands.js'
import { nameOfBudget, nameOfQuota, originOf, tagOfResource, waiterOf } from './resource-names.js'

/** What came of an offer's executions, once all that they ask was tried. */
export interface Reserved {
  /** All was taken for these. */
  readonly admitted: readonly OfferedItem[]
  readonly dropped: readonly OfferedItem[]
  /** The first of the others, and what has no room for it: its line waits there. */
  readonly refused: Refused | undefined
  /** What was taken for others than the admitted, and waiters that wait for nothing any more. */
  readonly leftOver: readonly { readonly name: string; readonly item: OfferedItem | undefined }[]
  /** The holder of a quota's key that is to make room for that one. */
  readonly asked: { readonly name: string; readonly holder: string } | undefined
}

interface Refused {
  readonly item: OfferedItem
  readonly name: string
  /** Asks the oldest holder to go; absent where it may stay. */
  readonly ask?: (() => Promise<string>) | undefined
}

interface Demand {
  readonly name: string
  /** Answers a letter for each, see `quotas/reserve` in Lua. */
  readonly take: (items: readonly OfferedItem[]) => Promise<string>
  readonly ask?: () => Promise<string>
}

/**
 * Takes what the executions of a line ask, in the one order that all take it in, quotas before budgets: of each as many of them, from
 * the first on, as it has room for. `progress` is told what was taken, for whoever has to give it back after a failure.
 */
export async function reserve(
  ctx: ValkeyContext,
  tag: string,
  offer: Offer,
  progress: { name: string; item: OfferedItem | undefined }[],
): Promise<Reserved> {
  let left = offer.items
  let refused: Refused | undefined
  const dropped = new Set<OfferedItem>()
  for (const { name, take, ask } of demandsOf(ctx, tag, offer)) {
    if (left.length === 0) break
    // Known before it is sent: whether it came about may never be heard.
    const before = progress.length
    for (const item of left) progress.push({ name, item })
    const flags = await take(left)
    progress.length = before
    const taken: OfferedItem[] = []
    left.forEach((item, place) => {
      const flag = flags[place]
      if (flag === 't') {
        taken.push(item)
        progress.push({ name, item })
      } else if (flag === 'd') dropped.add(item)
      else if (flag === 'r' || flag === 'o') {
        // What was refused before it stands behind it: it waits for nothing yet.
        if (refused !== undefined) progress.push({ name: refused.name, item: undefined })
        refused = { item, name, ask: flag === 'o' ? ask : undefined }
      }
    })
    left = taken
  }
  const admitted = new Set(left)
  const placeOf = (item: OfferedItem) => offer.items.indexOf(item)
  const end = refused === undefined ? offer.items.length : placeOf(refused.item)
  const leftOver = progress.filter(({ item }) => item === undefined || !admitted.has(item))
  return {
    admitted: left,
    dropped: [...dropped].filter((item) => placeOf(item) < end),
    refused,
    leftOver,
    asked: refused === undefined ? undefined : await askToGo(refused, leftOver),
  }
}

/**
 * Only now is it known that nothing before it in its line waits for something else. What is left over there makes room for it,
 * so that nobody need go.
 */
async function askToGo({ name, ask }: Refused, leftOver: Reserved['leftOver']): Promise<Reserved['asked']> {
  if (ask === undefined || leftOver.some((each) => each.name === name && each.item !== undefined)) return
  const holder = await ask()
  return holder === '' ? undefined : { name, holder }
}

function demandsOf(ctx: ValkeyContext, tag: string, offer: Offer): readonly Demand[] {
  const first = must(offer.items[0], 'an offered execution')
  const origin = originOf(tag, offer.token)
  const idsOf = (items: readonly OfferedItem[]) => items.map(({ id }) => id).join('')
  const waiter = waiterOf(tag, offer.line)
  const quotas = first.asks.quotas.map(([id, key], place): Demand => {
    const name = nameOfQuota(id, key)
    return {
      name,
      async take(items) {
        for (;;) {
          const { reply } = await ctx.invoke({
            name: 'quotas_reserve',
            tag: await tagOfResource(ctx, name),
            args: [
              id,
              key,
              waiter,
              offer.token,
              origin,
              idsOf(items),
              items.map(
                ({ number, asks, begins }): ItemArg<'quotas_reserve', 6> => [
                  number,
                  asks.quotas[place]?.[2] ?? 0,
                  begins,
                ],
              ),
            ],
          })
          const [word, flags] = reply
          if (word !== 'unknown') return flags
          if (!(await installQuota(ctx, id, key))) throw quotaNotFound(id)
        }
      },
      async ask() {
        const tagOf = await tagOfResource(ctx, name)
        return (await ctx.invoke({ name: 'quotas_ask', tag: tagOf, args: [id, key, waiter, offer.token] }))
          .reply
      },
    }
  })
  const budgets = first.asks.budgets.map(([id], place): Demand => {
    const name = nameOfBudget(id)
    return {
      name,
      async take(items) {
        const { reply } = await ctx.invoke({
          name: 'budgets_reserve',
          tag: await tagOfResource(ctx, name),
          args: [
            id,
            waiter,
            offer.token,
            origin,
            idsOf(items),
            items.map(
              (item): ItemArg<'budgets_reserve', 5> => [
                item.number,
                item.begins,
                [...estimateOf(item, place)],
              ],
            ),
          ],
        })
        return reply[1]
      },
    }
  })
  return [...quotas, ...budgets]
}

function estimateOf({ asks, id }: OfferedItem, place: number): PackedAmounts {
  const budget = asks.budgets[place]
  if (budget !== undefined) return budget[1]
  throw engineError('corruption', `${id} does not ask what its line does`, { subject: id })
}
