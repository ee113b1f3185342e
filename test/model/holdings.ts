import {
  type Amounts,
  amountOf,
  type BudgetFacts,
  breachOf,
  budgetNotFound,
  type DemandFacts,
  type ExecutionSpec,
  type Namespace,
  type QuotaFacts,
  quotaNotFound,
  type RateStep,
  rateRetryAt,
  rateStepEndsAt,
  rateStepOf,
  unitsInWindow,
  unknownDimension,
} from '@flowfabric/core'
import type { BudgetRecord, ExecutionRecord, QuotaHolder, QuotaKeyRecord, QuotaRecord } from './records.js'
import type { Model } from './store.js'

/** What executions hold of quotas and budgets: how it is taken, counted and given back. */

/** Throws `budget_not_found`, also for another namespace's. */
export function findBudget(model: Model, namespace: Namespace, id: BudgetRecord['id']): BudgetRecord {
  const budget = model.budgets.get(id)
  if (budget === undefined || budget.namespace !== namespace) throw budgetNotFound(id)
  return budget
}

/** Throws `quota_not_found`, also for another namespace's. */
export function findQuota(model: Model, namespace: Namespace, id: QuotaRecord['id']): QuotaRecord {
  const quota = model.quotas.get(id)
  if (quota === undefined || quota.namespace !== namespace) throw quotaNotFound(id)
  return quota
}

/** Throws for a quota, a budget or a dimension that is not there. */
export function requireDemands(model: Model, namespace: Namespace, spec: ExecutionSpec): void {
  for (const { quotaId } of spec.quotas ?? []) findQuota(model, namespace, quotaId)
  for (const { budgetId, estimate = {} } of spec.budgets ?? []) {
    requireDimensions(findBudget(model, namespace, budgetId), estimate)
  }
}

/** Throws `unknown_dimension`. */
export function requireDimensions(budget: BudgetRecord, amounts: Amounts): void {
  const unknown = Object.keys(amounts).find((name) => !Object.hasOwn(budget.settings.limits, name))
  if (unknown !== undefined) throw unknownDimension(unknown)
}

/** A key of a quota is counted from its first use. */
export function keyOf(quota: QuotaRecord, key: string): QuotaKeyRecord {
  return quota.keys.get(key) ?? { steps: new Map(), holders: new Map() }
}

function useKey(quota: QuotaRecord, key: string): QuotaKeyRecord {
  const record = keyOf(quota, key)
  quota.keys.set(key, record)
  return record
}

export function stepsOf({ steps }: QuotaKeyRecord): RateStep[] {
  return [...steps].map(([atMs, units]) => ({ atMs, units }))
}

export function quotaFacts(model: Model, quota: QuotaRecord, key: string, cost: number): QuotaFacts {
  const { rate, concurrency, strategy } = quota.settings
  const record = keyOf(quota, key)
  const nowMs = model.clock.nowMs()
  const steps = stepsOf(record)
  return {
    quotaId: quota.id,
    key,
    cost,
    rate,
    concurrency,
    strategy,
    held: record.holders.size,
    unitsInWindow: rate === null ? 0 : unitsInWindow(steps, rate.windowMs, nowMs),
    retryAtMs: rate === null ? null : rateRetryAt(rate, steps, cost, nowMs),
  }
}

export function budgetFacts(budget: BudgetRecord, estimate: Amounts): BudgetFacts {
  return {
    budgetId: budget.id,
    estimate,
    limits: budget.settings.limits,
    used: budget.used,
    reserved: reservedOf(budget),
    nextResetAtMs: budget.nextResetAtMs,
  }
}

export function reservedOf({ reservations }: BudgetRecord): Amounts {
  return [...reservations.values()].reduce(addAmounts, {})
}

/** The names of both, in their order. */
export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()
  return Object.fromEntries(names.map((name) => [name, amountOf(a, name) + amountOf(b, name)]))
}

export function breachLevelOf({ settings, used }: BudgetRecord) {
  return breachOf(settings.limits, used)
}

/** What admission looks at of an execution's quotas and budgets. */
export function demandFactsOf(model: Model, x: ExecutionRecord): DemandFacts | null {
  if (x.admissionKey === '') return null
  return {
    beginsAttempt: beginsAttempt(x),
    quotas: x.demands.quotas.map(({ quotaId, key, cost }) =>
      quotaFacts(model, findQuota(model, x.namespace, quotaId), key, cost),
    ),
    budgets: x.demands.budgets.map(({ budgetId, estimate }) =>
      budgetFacts(findBudget(model, x.namespace, budgetId), estimate),
    ),
  }
}

/** Going on with an attempt costs no units. */
export function beginsAttempt({ state }: ExecutionRecord): boolean {
  return state.attemptState !== 'pending_resume' && state.attemptState !== 'attempt_interrupted'
}

/** Takes all that an execution asks of its quotas and budgets, for a claim that admits it. */
export function takeDemands(model: Model, x: ExecutionRecord): void {
  for (const { quotaId, key, cost } of x.demands.quotas) {
    const quota = findQuota(model, x.namespace, quotaId)
    takeSlot(model, quota, key, x, null, beginsAttempt(x) ? takeUnits(model, quota, key, cost) : null)
  }
  for (const { budgetId, estimate } of x.demands.budgets) {
    findBudget(model, x.namespace, budgetId).reservations.set(x.id, estimate)
  }
}

export const holderName = (x: Pick<ExecutionRecord, 'id'>, holderKey: string | null) =>
  JSON.stringify([x.id, holderKey])

export function takeSlot(
  model: Model,
  quota: QuotaRecord,
  key: string,
  x: ExecutionRecord,
  holderKey: string | null,
  paid: QuotaHolder['paid'],
): void {
  model.sequence += 1
  useKey(quota, key).holders.set(holderName(x, holderKey), {
    executionId: x.id,
    epoch: holderKey === null ? x.epoch + 1 : x.epoch,
    holderKey,
    paid,
    sequence: model.sequence,
    isCancelled: false,
  })
}

export function takeUnits(model: Model, quota: QuotaRecord, key: string, cost: number): QuotaHolder['paid'] {
  const { rate } = quota.settings
  if (rate === null || cost === 0) return null
  const { steps } = useKey(quota, key)
  const at = rateStepOf(model.clock.nowMs(), rate.windowMs)
  steps.set(at, (steps.get(at) ?? 0) + cost)
  return { atMs: at, units: cost }
}

/** Frees what the lease held, whatever ended it. Rate units stay spent. */
export function giveBack(model: Model, x: ExecutionRecord): void {
  for (const quota of model.quotas.values()) {
    for (const { holders } of quota.keys.values()) {
      for (const [name, { executionId }] of holders) if (executionId === x.id) holders.delete(name)
    }
  }
  for (const budget of model.budgets.values()) budget.reservations.delete(x.id)
}

/** No attempt began after all: the units of its claim come back. */
export function giveUnitsBack(model: Model, x: ExecutionRecord): void {
  for (const { quotaId, key } of x.demands.quotas) {
    const { steps, holders } = keyOf(findQuota(model, x.namespace, quotaId), key)
    const paid = holders.get(holderName(x, null))?.paid ?? null
    if (paid === null) continue
    const left = (steps.get(paid.atMs) ?? 0) - paid.units
    if (left > 0) steps.set(paid.atMs, left)
    else steps.delete(paid.atMs)
  }
}

/** Before a window changes: what counts no more under the old one is not to count under the new. */
export function forgetUnits(model: Model, quota: QuotaRecord): void {
  const { rate } = quota.settings
  for (const { steps } of quota.keys.values()) {
    for (const atMs of steps.keys()) {
      if (rate === null || rateStepEndsAt(atMs, rate.windowMs) <= model.clock.nowMs()) steps.delete(atMs)
    }
  }
}
