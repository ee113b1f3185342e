import {
  type Amounts,
  amountOf,
  type Budget,
  type BudgetLimit,
  type BudgetOperations,
  type BudgetSettings,
  breachJobId,
  breachLevels,
  type CheckedHandle,
  checkCreateBudget,
  checkGetBudget,
  checkListBudgets,
  checkReportUsage,
  checkResetBudget,
  checkScanRequest,
  checkUpdateBudget,
  isEngineError,
  limits,
  makePartitionTag,
  must,
  type Namespace,
  nextReset,
  type PartitionTag,
  partitionOfBudget,
  type ReportedUsage,
  type ReportUsageOutcome,
  type ResetBudget,
  sortAmounts,
  usageOverflow,
} from '@flowfabric/core'
import { announceBudget } from './feed.js'
import { addAmounts, breachLevelOf, findBudget, requireDimensions, reservedOf } from './holdings.js'
import { beginOperation } from './operations.js'
import { orError } from './or-error.js'
import { pageNewestFirst } from './pages.js'
import { countWaiters } from './parking.js'
import type { BudgetRecord } from './records.js'
import { statedOf } from './settings.js'
import { type Model, operate } from './store.js'

export function createBudgets(model: Model): BudgetOperations {
  return {
    create: (params) =>
      operate(model, () => {
        checkCreateBudget(params)
        const settings = settingsOf(params)
        const content = JSON.stringify([settings, params.firstResetAtMs ?? null])
        const present = model.budgets.get(params.budgetId)
        if (present !== undefined) {
          const isSame = present.namespace === params.namespace && present.content === content
          if (!isSame) return { outcome: 'budget_conflict' as const }
          return { outcome: 'duplicate' as const, budget: viewBudget(model, present) }
        }
        const nowMs = model.clock.nowMs()
        const { resetPeriodMs } = settings
        const budget: BudgetRecord = {
          id: params.budgetId,
          namespace: params.namespace,
          createdAtMs: nowMs,
          content,
          settings,
          period: 1,
          periodStartedAtMs: nowMs,
          nextResetAtMs: resetPeriodMs === null ? null : (params.firstResetAtMs ?? nowMs + resetPeriodMs),
          used: {},
          reservations: new Map(),
          reports: new Map(),
          resets: new Map(),
        }
        model.budgets.set(budget.id, budget)
        return { outcome: 'created' as const, budget: viewBudget(model, budget) }
      }),

    get: (params) =>
      operate(model, () => {
        checkGetBudget(params)
        return {
          outcome: 'found' as const,
          budget: viewBudget(model, findBudget(model, params.namespace, params.budgetId)),
        }
      }),

    list: (params) =>
      operate(model, () => {
        checkListBudgets(params)
        const own = [...model.budgets.values()].filter(({ namespace }) => namespace === params.namespace)
        const page = pageNewestFirst(own, params)
        return { ...page, items: page.items.map((budget) => viewBudget(model, budget)) }
      }),

    update: (params) =>
      operate(model, () => {
        checkUpdateBudget(params)
        const budget = findBudget(model, params.namespace, params.budgetId)
        const before = breachLevelOf(budget)
        const { resetPeriodMs } = budget.settings
        budget.settings = settingsOf({ ...budget.settings, ...statedOf(params.settings) })
        if (budget.settings.resetPeriodMs !== resetPeriodMs) {
          const period = budget.settings.resetPeriodMs
          budget.nextResetAtMs = period === null ? null : model.clock.nowMs() + period
        }
        noteBreach(model, budget, before)
        return { outcome: 'updated' as const, budget: viewBudget(model, budget) }
      }),

    reportUsage: (params) =>
      operate(model, () => {
        const handles = checkReportUsage(params)
        const items = params.items.map((item, index) =>
          report(model, params.namespaces, must(handles[index], 'the check of an item'), item),
        )
        return { items }
      }),

    reset: (params) =>
      operate(model, () => {
        checkResetBudget(params)
        const budget = findBudget(model, params.namespace, params.budgetId)
        const isRepeat = isRemembered(model, budget.resets, params.resetKey)
        if (!isRepeat) resetByHand(model, budget, params)
        return {
          outcome: isRepeat ? ('duplicate' as const) : ('reset' as const),
          budget: viewBudget(model, budget),
        }
      }),

    resetDue: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions, 'budget')
        const due = dueBudgets(model, params.partition)
        const items = due.slice(0, params.max).map((budget) => {
          const { resetPeriodMs } = budget.settings
          const { startedAtMs, nextResetAtMs } = nextReset(
            must(budget.nextResetAtMs, 'a due reset'),
            must(resetPeriodMs, 'a period'),
            model.clock.nowMs(),
          )
          beginPeriod(model, budget, startedAtMs)
          budget.nextResetAtMs = nextResetAtMs
          return { outcome: 'reset' as const, budgetId: budget.id, nextResetAtMs }
        })
        const nextDueAtMs = nextResetIn(model, params.partition)
        return { items, more: due.length > params.max, ...(nextDueAtMs === null ? {} : { nextDueAtMs }) }
      }),

    // Here every count follows from what it counts: none can have drifted.
    reconcile: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions, 'budget')
        return { items: [], more: false }
      }),
  }
}

function settingsOf({ label, limits: of, onHardBreach, resetPeriodMs }: BudgetSettings): BudgetSettings {
  const sorted = Object.keys(of)
    .sort()
    .map((name): [string, BudgetLimit] => {
      const { soft, hard } = must(of[name], 'a limit')
      return [name, { soft, hard }]
    })
  return { label, limits: Object.fromEntries(sorted), onHardBreach, resetPeriodMs }
}

function report(
  model: Model,
  namespaces: readonly Namespace[],
  handle: CheckedHandle,
  { budgetId, usageKey, amounts }: ReportedUsage,
): ReportUsageOutcome {
  if (isEngineError(handle)) return { outcome: 'error', error: handle }
  const x = model.executions.get(handle.executionId)
  const isKnown =
    x !== undefined && namespaces.includes(x.namespace) && handle.attemptIndex < x.attempts.length
  if (!isKnown) return { outcome: 'stale_lease' }
  const budget = orError(() => {
    const found = findBudget(model, x.namespace, budgetId)
    requireDimensions(found, amounts)
    return found
  })
  if (isEngineError(budget)) return { outcome: 'error', error: budget }
  const name = JSON.stringify([x.id, usageKey])
  if (isRemembered(model, budget.reports, name)) return { outcome: 'duplicate' }
  const used = addAmounts(budget.used, sortAmounts(amounts))
  const past = Object.keys(used).find((dimension) => amountOf(used, dimension) > limits.amountSumMax)
  if (past !== undefined) return { outcome: 'error', error: usageOverflow(past, amountOf(used, past)) }

  budget.reports.set(name, model.clock.nowMs())
  const before = breachLevelOf(budget)
  budget.used = used
  const reserved = budget.reservations.get(x.id)
  if (reserved !== undefined) budget.reservations.set(x.id, subtract(reserved, amounts))
  noteBreach(model, budget, before)
  return { outcome: breachLevelOf(budget), used }
}

/** As far as it reaches. */
function subtract(from: Amounts, amounts: Amounts): Amounts {
  return sortAmounts(
    Object.fromEntries(
      Object.keys(from).map((name) => [name, Math.max(0, amountOf(from, name) - amountOf(amounts, name))]),
    ),
  )
}

/** A key counts for so long, whether or not it was removed since. */
function isRemembered(model: Model, keys: ReadonlyMap<string, number>, key: string): boolean {
  const atMs = keys.get(key)
  return atMs !== undefined && atMs + limits.idempotencyTtlMs > model.clock.nowMs()
}

/** Says that a limit was passed, and leaves the job that carries out the rule for a hard breach. */
function noteBreach(model: Model, budget: BudgetRecord, before: Budget['breach']): void {
  const level = breachLevelOf(budget)
  if (level === 'ok' || breachLevels.indexOf(level) <= breachLevels.indexOf(before)) return
  announceBudget(model, budget, level)
  if (level === 'hard_breach') leaveBreachJob(model, budget)
}

function leaveBreachJob(model: Model, { id: budgetId, namespace, settings }: BudgetRecord): void {
  const { onHardBreach: rule } = settings
  if (rule === 'block_new') return
  model.sequence += 1
  const work = { kind: 'budget_breach', budgetId, rule } as const
  beginOperation(model, { namespace, id: breachJobId(budgetId, model.sequence), work })
}

function resetByHand(model: Model, budget: BudgetRecord, { resetKey }: ResetBudget): void {
  budget.resets.set(resetKey, model.clock.nowMs())
  beginPeriod(model, budget, model.clock.nowMs())
}

function beginPeriod(model: Model, budget: BudgetRecord, startedAtMs: number): void {
  budget.period += 1
  budget.periodStartedAtMs = startedAtMs
  budget.used = {}
  announceBudget(model, budget, 'reset')
}

function budgetsIn(model: Model, partition: PartitionTag): BudgetRecord[] {
  return [...model.budgets.values()].filter(
    ({ id }) => makePartitionTag('budget', partitionOfBudget(id, model.partitions.budget)) === partition,
  )
}

function dueBudgets(model: Model, partition: PartitionTag): BudgetRecord[] {
  return budgetsIn(model, partition)
    .filter(({ nextResetAtMs }) => nextResetAtMs !== null && nextResetAtMs <= model.clock.nowMs())
    .sort((a, b) => (a.nextResetAtMs ?? 0) - (b.nextResetAtMs ?? 0))
}

export function nextResetIn(model: Model, partition: PartitionTag): number | null {
  const times = budgetsIn(model, partition).flatMap(({ nextResetAtMs }) => nextResetAtMs ?? [])
  return times.length === 0 ? null : Math.min(...times)
}

function viewBudget(model: Model, budget: BudgetRecord): Budget {
  return {
    id: budget.id,
    ...budget.settings,
    createdAtMs: budget.createdAtMs,
    used: sortAmounts(budget.used),
    reserved: sortAmounts(reservedOf(budget)),
    breach: breachLevelOf(budget),
    period: budget.period,
    periodStartedAtMs: budget.periodStartedAtMs,
    nextResetAtMs: budget.nextResetAtMs,
    waiting: countWaiters(model, { kind: 'budget', budgetId: budget.id }),
  }
}
