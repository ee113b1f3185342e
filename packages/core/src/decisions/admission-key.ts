import type { Amounts, BudgetDemand, BudgetDemandSpec } from '../contract/budgets.js'
import type { QuotaDemand, QuotaDemandSpec } from '../contract/quotas.js'

/** What an execution asks of quotas and budgets, each in the order in which it is judged and taken. */
export interface Demands {
  readonly quotas: readonly QuotaDemand[]
  readonly budgets: readonly BudgetDemand[]
}

/** Fills in what is not stated, and sorts: all who take several take them in this order. */
export function resolveDemands(spec: {
  readonly quotas?: readonly QuotaDemandSpec[] | undefined
  readonly budgets?: readonly BudgetDemandSpec[] | undefined
}): Demands {
  const quotas = (spec.quotas ?? []).map(({ quotaId, key = '', cost = 1 }) => ({ quotaId, key, cost }))
  const budgets = (spec.budgets ?? []).map(({ budgetId, estimate = {} }) => ({
    budgetId,
    estimate: sortAmounts(estimate),
  }))
  return {
    quotas: quotas.sort((a, b) => compare(a.quotaId, b.quotaId) || compare(a.key, b.key)),
    budgets: budgets.sort((a, b) => compare(a.budgetId, b.budgetId)),
  }
}

/**
 * What names the same budgets and quotas waits in one line, whatever it asks of them: else small ones would overtake a
 * large one for ever. Empty for work that names none.
 */
export function admissionKeyOf({ quotas, budgets }: Demands): string {
  if (quotas.length + budgets.length === 0) return ''
  return JSON.stringify([quotas.map(({ quotaId, key }) => [quotaId, key]), budgets.map((b) => b.budgetId)])
}

/** Without zeros, by name. */
export function sortAmounts(amounts: Amounts): Amounts {
  const stated = Object.entries(amounts).filter(([, amount]) => amount > 0)
  return Object.fromEntries(stated.sort(([a], [b]) => compare(a, b)))
}

/** By code units, as every store does. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
