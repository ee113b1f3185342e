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
  readonly refused: { readonly item: OfferedItem; readonly name: string } | undefined
  /** What was taken for others than the admitted, and waiters that wait for nothing any more. */
  readonly leftOver: readonly { readonly name: string; readonly item: OfferedItem | undefined }[]
  /** Holders that are to make room: of a quota's key. */
  readonly asked: readonly { readonly name: string; readonly holder: string }[]
}

interface Demand {
  readonly name: string
  readonly take: (
    items: readonly OfferedItem[],
  ) => Promise<{ readonly flags: string; readonly asked: string }>
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
  let refused: Reserved['refused']
  const dropped = new Set<OfferedItem>()
  const asked: { name: string; holder: string }[] = []
  for (const { name, take } of demandsOf(ctx, tag, offer)) {
    if (left.length === 0) break
    // Known before it is sent: whether it came about may never be heard.
    const before = progress.length
    for (const item of left) progress.push({ name, item })
    const { flags, asked: holder } = await take(left)
    progress.length = before
    if (holder !== '') asked.push({ name, holder })
    const taken: OfferedItem[] = []
    left.forEach((item, place) => {
      const flag = flags[place]
      if (flag === 't') {
        taken.push(item)
        progress.push({ name, item })
      } else if (flag === 'd') dropped.add(item)
      else if (flag === 'r') {
        // What was refused before it stands behind it: it waits for nothing yet.
        if (refused !== undefined) progress.push({ name: refused.name, item: undefined })
        refused = { item, name }
      }
    })
    left = taken
  }
  const admitted = new Set(left)
  const placeOf = (item: OfferedItem) => offer.items.indexOf(item)
  const end = refused === undefined ? offer.items.length : placeOf(refused.item)
  return {
    admitted: left,
    dropped: [...dropped].filter((item) => placeOf(item) < end),
    refused,
    leftOver: progress.filter(({ item }) => item === undefined || !admitted.has(item)),
    asked,
  }
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
          const [word, flags, asked] = reply
          if (word !== 'unknown') return { flags, asked }
          if (!(await installQuota(ctx, id, key))) throw quotaNotFound(id)
        }
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
        return { flags: reply[1], asked: '' }
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
