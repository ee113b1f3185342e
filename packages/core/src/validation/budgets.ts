import {
  type BudgetSettings,
  type CreateBudget,
  type GetBudget,
  hardBreachRules,
  type ListBudgets,
  type ReportUsage,
  type ResetBudget,
  type UpdateBudget,
} from '../contract/budgets.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import { parseBudgetId } from '../ids/index.js'
import { limits } from '../limits.js'
import { checkAmounts, checkDimensions } from './demands.js'
import {
  checkInteger,
  checkObject,
  checkOptionalInteger,
  checkReason,
  checkText,
  checkWord,
  invalidParam,
} from './fields.js'
import { type CheckedHandle, checkHandles } from './leases.js'
import { checkPageRequest, checkScoped } from './scope.js'

export function checkCreateBudget(params: CreateBudget): void {
  checkGetBudget(params)
  const { label, limits: of, onHardBreach, resetPeriodMs } = params
  for (const [name, value] of Object.entries({ label, limits: of, onHardBreach, resetPeriodMs }))
    if (value === undefined) throw invalidParam(name, 'must be stated')
  checkSettings(params)
  checkOptionalInteger(params.firstResetAtMs, 'firstResetAtMs', 0, limits.timeMsMax)
  if (params.firstResetAtMs !== undefined && resetPeriodMs === null)
    throw invalidParam('firstResetAtMs', 'is of periodic budgets only')
}

/** For `get`, too. */
export function checkGetBudget(params: GetBudget): void {
  checkScoped(params)
  parseBudgetId(params.budgetId)
}

export function checkListBudgets(params: ListBudgets): void {
  checkScoped(params)
  checkPageRequest(params)
}

export function checkUpdateBudget(params: UpdateBudget): void {
  checkGetBudget(params)
  checkObject(params.settings, 'settings')
  checkSettings(params.settings)
}

export function checkReportUsage(params: ReportUsage): readonly CheckedHandle[] {
  return checkHandles(params, limits.usageBatchMax, ({ budgetId, usageKey, amounts }) => {
    parseBudgetId(budgetId)
    checkText(usageKey, 'usageKey', limits.idempotencyKeyBytesMax, 1)
    checkAmounts(amounts, 'amounts', limits.amountMax)
  })
}

export function checkResetBudget(params: ResetBudget): void {
  checkGetBudget(params)
  checkText(params.resetKey, 'resetKey', limits.idempotencyKeyBytesMax, 1)
  checkReason(params.reason)
}

function checkSettings(settings: { readonly [K in keyof BudgetSettings]?: BudgetSettings[K] | undefined }) {
  const { label, limits: of, onHardBreach, resetPeriodMs } = settings
  if (label !== undefined) checkText(label, 'label', limits.labelBytesMax)
  if (of !== undefined) checkLimits(of)
  if (onHardBreach !== undefined) checkWord(onHardBreach, 'onHardBreach', hardBreachRules)
  if (resetPeriodMs !== null)
    checkOptionalInteger(resetPeriodMs, 'resetPeriodMs', RESET_PERIOD_MS_MIN, limits.durationMsMax)
}

function checkLimits(of: unknown): void {
  checkDimensions(of, 'limits')
  const dimensions = Object.entries(of as object)
  if (dimensions.length === 0) throw invalidParam('limits', 'must name a dimension')
  for (const [dimension, limit] of dimensions) {
    const path = `limits.${dimension}`
    checkObject(limit, path)
    const { soft, hard } = limit as { readonly soft?: unknown; readonly hard?: unknown }
    if (soft !== null) checkInteger(soft, `${path}.soft`, 0, limits.amountMax)
    if (hard !== null) checkInteger(hard, `${path}.hard`, 0, limits.amountMax)
    if (typeof soft === 'number' && typeof hard === 'number' && soft > hard)
      throw invalidParam(`${path}.soft`, 'must not be above the hard limit')
  }
}

/** The error of usage, or of an estimate, in a dimension that the budget lacks. */
export function unknownDimension(dimension: string): EngineError {
  return engineError('unknown_dimension', `the budget has no dimension ${dimension}`, { dimension })
}

/** The error of a budget that is not there, or another namespace's. */
export function budgetNotFound(budgetId: string): EngineError {
  return engineError('budget_not_found', `there is no budget ${budgetId}`)
}

/** The error of a charge past what can be counted. */
export function usageOverflow(dimension: string, actual: number): EngineError {
  const max = limits.amountSumMax
  return engineError('limit_exceeded', `${dimension} would come to ${actual}, at most ${max}`, {
    max,
    actual,
    field: dimension,
  })
}

const RESET_PERIOD_MS_MIN = 1_000
