import { type ExecutionSpec, type Kind, parseKind } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import type { World } from '../world.js'

/** Keys of quotas that are used; the empty one is what is counted where none is named. */
export const quotaKeys: readonly [string, string] = ['', 'eu']

/** What is named: quotas of the world by their places, each with a key, and budgets. */
interface Asked {
  readonly quotas: readonly (readonly [place: number, key: string])[]
  readonly budgets: readonly number[]
}

const asks: readonly Asked[] = [
  { quotas: [[0, '']], budgets: [] },
  { quotas: [[0, 'eu']], budgets: [] },
  { quotas: [], budgets: [0] },
  { quotas: [[1, '']], budgets: [0] },
  {
    quotas: [
      [0, ''],
      [1, 'eu'],
    ],
    budgets: [0, 1],
  },
]

/**
 * A kind for each admission key, which no other work has: which of several lines is served first is each store's own, so
 * that a claim must be able to ask for one of them.
 */
export const demandKinds = asks.map((_, place) => parseKind(`ask-${place}`)) as [Kind, ...Kind[]]

/** Now and then an execution names quotas and budgets, once in a while one that nobody has made. */
export function chooseDemands(
  c: Chooser,
  { quotas, budgets, model }: World,
): Pick<ExecutionSpec, 'quotas' | 'budgets'> & { readonly kind?: Kind } {
  if (!c.rarely(3) || model.store.quotas.size + model.store.budgets.size === 0) return {}
  const place = c.below(asks.length)
  const [asked, kind] = [asks[place], demandKinds[place]]
  if (asked === undefined || kind === undefined) return {}
  const unknown = c.rarely(25)
  const cost = c.of([1, 2, 0])
  const estimate = {
    tokens: c.of([2, 5, 0, 12]),
    ...(c.rarely(4) ? { usd: 3 } : {}),
    ...(c.rarely(30) ? { odd: 1 } : {}),
  }
  return {
    kind,
    ...(asked.quotas.length === 0
      ? {}
      : {
          quotas: asked.quotas.map(([of, key]) => ({
            quotaId: quotas[unknown ? 2 : of] ?? quotas[0],
            key,
            cost,
          })),
        }),
    ...(asked.budgets.length === 0
      ? {}
      : {
          budgets: asked.budgets.map((of) => ({
            budgetId: budgets[unknown ? 2 : of] ?? budgets[0],
            estimate,
          })),
        }),
  }
}
