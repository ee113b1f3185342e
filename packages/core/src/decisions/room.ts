import type { Amounts, BreachLevel, BudgetDemand, BudgetLimit } from '../contract/budgets.js'
import type { QuotaDemand, QuotaSettings } from '../contract/quotas.js'
import { limits } from '../limits.js'

/**
 * Whether quotas and budgets have room: pure, the same in every store, in `explain` and in what wakes admission keys.
 */

/** One key of a quota, and what is asked of it. */
export interface QuotaFacts extends QuotaDemand, Pick<QuotaSettings, 'rate' | 'concurrency' | 'strategy'> {
  /** Slots that are taken. */
  readonly held: number
  /** Units that count now. */
  readonly unitsInWindow: number
  /** When the rate has room for the cost; `null` when it has now, or never will. */
  readonly retryAtMs: number | null
}

/** One budget, and what is asked of it. */
export interface BudgetFacts extends BudgetDemand {
  readonly limits: Readonly<Record<string, BudgetLimit>>
  readonly used: Amounts
  readonly reserved: Amounts
  readonly nextResetAtMs: number | null
}

export type QuotaShortage = 'concurrency' | 'rate'

/** What a quota lacks; `null` when it has room. Going on with an attempt costs no units. */
export function quotaShortage(quota: QuotaFacts, beginsAttempt: boolean): QuotaShortage | null {
  if (quota.concurrency !== null && quota.held >= quota.concurrency) return 'concurrency'
  if (beginsAttempt && quota.rate !== null && quota.unitsInWindow + quota.cost > quota.rate.units)
    return 'rate'
  return null
}

/** The first dimension, in the order of names, that has no room for the estimate; `null` when all have. */
export function budgetShortage(budget: BudgetFacts): string | null {
  for (const dimension of Object.keys(budget.limits).sort()) {
    const hard = budget.limits[dimension]?.hard ?? null
    if (hard === null) continue
    const used = amountOf(budget.used, dimension)
    const asked = amountOf(budget.estimate, dimension)
    if (used >= hard || used + amountOf(budget.reserved, dimension) + asked > hard) return dimension
  }
  return null
}

/** How far what is spent has passed the limits. */
export function breachOf(of: Readonly<Record<string, BudgetLimit>>, used: Amounts): BreachLevel {
  const past = (kind: keyof BudgetLimit) =>
    Object.entries(of).some(([dimension, limit]) => {
      const bound = limit[kind]
      return bound !== null && amountOf(used, dimension) > bound
    })
  if (past('hard')) return 'hard_breach'
  return past('soft') ? 'soft_breach' : 'ok'
}

/** Names come from callers: only what is the record's own counts. */
export function amountOf(amounts: Amounts, dimension: string): number {
  return Object.hasOwn(amounts, dimension) ? (amounts[dimension] ?? 0) : 0
}

/** Units that were taken in one step of a window. */
export interface RateStep {
  readonly atMs: number
  readonly units: number
}

/** How long the steps are into which a window is cut: units taken in one are counted together. */
export function rateStepMs(windowMs: number): number {
  return Math.ceil(windowMs / limits.rateSteps)
}

/** The step that a time falls into. */
export function rateStepOf(atMs: number, windowMs: number): number {
  const length = rateStepMs(windowMs)
  return Math.floor(atMs / length) * length
}

/** When the units of a step count no more: a window after its last millisecond, so that no window ever holds more. */
export function rateStepEndsAt(stepAtMs: number, windowMs: number): number {
  return stepAtMs + rateStepMs(windowMs) - 1 + windowMs
}

export function unitsInWindow(steps: readonly RateStep[], windowMs: number, nowMs: number): number {
  return liveSteps(steps, windowMs, nowMs).reduce((sum, { units }) => sum + units, 0)
}

/** When so many units have room; `null` when they have it now, or never will. */
export function rateRetryAt(
  rate: NonNullable<QuotaSettings['rate']>,
  steps: readonly RateStep[],
  cost: number,
  nowMs: number,
): number | null {
  if (cost > rate.units) return null
  const live = liveSteps(steps, rate.windowMs, nowMs)
  let used = live.reduce((sum, { units }) => sum + units, 0)
  if (used + cost <= rate.units) return null
  for (const { atMs, units } of live) {
    used -= units
    if (used + cost <= rate.units) return rateStepEndsAt(atMs, rate.windowMs)
  }
  return null
}

function liveSteps(steps: readonly RateStep[], windowMs: number, nowMs: number): RateStep[] {
  return steps
    .filter(({ atMs, units }) => units > 0 && rateStepEndsAt(atMs, windowMs) > nowMs)
    .sort((a, b) => a.atMs - b.atMs)
}

/** The first boundary of a period after now, and the last one before: a reset that comes late moves none. */
export function nextReset(
  dueAtMs: number,
  periodMs: number,
  nowMs: number,
): { readonly startedAtMs: number; readonly nextResetAtMs: number } {
  const missed = Math.floor((nowMs - dueAtMs) / periodMs)
  const startedAtMs = dueAtMs + missed * periodMs
  return { startedAtMs, nextResetAtMs: startedAtMs + periodMs }
}
