import type { Amounts } from '../contract/budgets.js'
import { amountOf, type BudgetFacts, budgetShortage, type QuotaFacts, quotaShortage } from './room.js'

/** The head of a parked admission key, as what refused it knows it. */
export interface QuotaWaiter {
  readonly cost: number
  readonly beginsAttempt: boolean
}

/** Which of those that wait for one key of a quota can be admitted together, in their order: their places in the list. */
export function wakeableOfQuota(
  quota: Omit<QuotaFacts, 'cost' | 'retryAtMs'>,
  waiters: readonly QuotaWaiter[],
): readonly number[] {
  let { held, unitsInWindow } = quota
  return waiters.flatMap(({ cost, beginsAttempt }, place) => {
    const facts = { ...quota, cost, held, unitsInWindow, retryAtMs: null }
    if (quotaShortage(facts, beginsAttempt) !== null) return []
    held += 1
    if (beginsAttempt) unitsInWindow += cost
    return [place]
  })
}

/** The same of those that wait for a budget, by their estimates. */
export function wakeableOfBudget(
  budget: Omit<BudgetFacts, 'estimate'>,
  estimates: readonly Amounts[],
): readonly number[] {
  const reserved: Record<string, number> = { ...budget.reserved }
  return estimates.flatMap((estimate, place) => {
    if (budgetShortage({ ...budget, estimate, reserved }) !== null) return []
    for (const dimension of Object.keys(estimate))
      reserved[dimension] = amountOf(reserved, dimension) + amountOf(estimate, dimension)
    return [place]
  })
}
