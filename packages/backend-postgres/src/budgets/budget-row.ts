import {
  type Amounts,
  type Budget,
  type BudgetId,
  type BudgetLimit,
  type BudgetSettings,
  breachOf,
  type HardBreachRule,
  must,
  sortAmounts,
} from '@flowfabric/core'

export interface BudgetRow {
  readonly id: BudgetId
  readonly label: string
  readonly limits: Readonly<Record<string, BudgetLimit>>
  readonly on_hard_breach: HardBreachRule
  readonly reset_period_ms: number | null
  readonly created_at: number
  readonly period: number
  readonly period_started_at: number
  readonly next_reset_at: number | null
  readonly used: Amounts
  readonly reserved: Amounts
  readonly waiting: number
}

/** Of `budget b`. */
export const budgetColumns = `b.id, b.label, b.limits, b.on_hard_breach, b.reset_period_ms, b.created_at, b.period, b.period_started_at,
  b.next_reset_at, b.used, ff.reserved_of(b.id) as reserved,
  (select count(*) from ff.admission_line l where l.by_budget = b.id) as waiting`

export function toBudget(row: BudgetRow): Budget {
  return {
    id: row.id,
    label: row.label,
    limits: sortLimits(row.limits),
    onHardBreach: row.on_hard_breach,
    resetPeriodMs: row.reset_period_ms,
    createdAtMs: row.created_at,
    used: sortAmounts(row.used),
    reserved: sortAmounts(row.reserved),
    breach: breachOf(row.limits, row.used),
    period: row.period,
    periodStartedAtMs: row.period_started_at,
    nextResetAtMs: row.next_reset_at,
    waiting: row.waiting,
  }
}

/** The settings alone, in one order: a repeat means the same. */
export function settingsOf({ label, limits, onHardBreach, resetPeriodMs }: BudgetSettings): BudgetSettings {
  return { label, limits: sortLimits(limits), onHardBreach, resetPeriodMs }
}

export function sortLimits(limits: BudgetSettings['limits']): BudgetSettings['limits'] {
  const names = Object.keys(limits).sort()
  return Object.fromEntries(
    names.map((name) => {
      const { soft, hard } = must(limits[name], 'a limit')
      return [name, { soft, hard }]
    }),
  )
}
