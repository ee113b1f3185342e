import type { BudgetDemandSpec } from '../contract/budgets.js'
import type { QuotaDemandSpec } from '../contract/quotas.js'
import { engineError } from '../errors/engine-error.js'
import { parseBudgetId, parseQuotaId } from '../ids/index.js'
import { limits } from '../limits.js'
import { checkInteger, checkObject, checkOptionalInteger, checkOptionalText, invalidParam } from './fields.js'

/** Checks the budgets that an execution names. Whether they exist is the store's to see. */
export function checkBudgetDemands(budgets: unknown): void {
  const list = requireDemands(budgets, 'budgets', limits.budgetsPerExecutionMax, 'too_many_budgets')
  const seen = new Set<string>()
  for (const demand of list as readonly BudgetDemandSpec[]) {
    checkObject(demand, 'budgets')
    parseBudgetId(demand.budgetId)
    if (demand.estimate !== undefined) checkAmounts(demand.estimate, 'budgets.estimate', limits.estimateMax)
    requireOnce(seen, demand.budgetId)
  }
}

/** Checks the quotas that an execution names; one may be named with several keys. */
export function checkQuotaDemands(quotas: unknown): void {
  const list = requireDemands(quotas, 'quotas', limits.quotasPerExecutionMax, 'too_many_quotas')
  const seen = new Set<string>()
  for (const demand of list as readonly QuotaDemandSpec[]) {
    checkObject(demand, 'quotas')
    parseQuotaId(demand.quotaId)
    checkOptionalText(demand.key, 'quotas.key', limits.quotaKeyBytesMax)
    checkOptionalInteger(demand.cost, 'quotas.cost', 0, limits.quotaUnitsMax)
    requireOnce(seen, `${demand.quotaId}/${demand.key ?? ''}`)
  }
}

/** Amounts by dimension; throws `invalid_params`, `limit_exceeded` or `too_many_dimensions`. */
export function checkAmounts(amounts: unknown, path: string, max: number): void {
  checkDimensions(amounts, path)
  for (const [dimension, amount] of Object.entries(amounts as object))
    checkInteger(amount, `${path}.${dimension}`, 0, max)
}

/** The names of dimensions: letters, digits, `.`, `_` and `-`, a letter first. */
export function checkDimensions(record: unknown, path: string): void {
  checkObject(record, path)
  const names = Object.keys(record as object)
  if (names.length > limits.budgetDimensionsMax) {
    throw engineError(
      'too_many_dimensions',
      `${path} has ${names.length} dimensions, at most ${limits.budgetDimensionsMax}`,
      { max: limits.budgetDimensionsMax, actual: names.length, field: path },
    )
  }
  for (const name of names) {
    if (!DIMENSION_PATTERN.test(name) || name.length > limits.dimensionCharsMax)
      throw invalidParam(
        path,
        `a dimension is 1…${limits.dimensionCharsMax} of letters, digits, ".", "_" and "-", a letter first`,
      )
  }
}

function requireDemands(
  value: unknown,
  field: string,
  max: number,
  code: 'too_many_budgets' | 'too_many_quotas',
): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidParam(field, 'must be a list')
  if (value.length <= max) return value
  throw engineError(code, `${field} has ${value.length} entries, at most ${max}`, {
    max,
    actual: value.length,
    field,
  })
}

function requireOnce(seen: Set<string>, id: string): void {
  if (seen.has(id)) throw engineError('duplicate_id', `${id} is named twice`, { id })
  seen.add(id)
}

const DIMENSION_PATTERN = /^[A-Za-z][A-Za-z0-9._-]*$/
