import {
  budgetNotFound,
  type ExecutionSpec,
  must,
  type Namespace,
  quotaNotFound,
  unknownDimension,
} from '@flowfabric/core'
import { readBudgets } from '../budgets/stored-budget.js'
import type { ValkeyContext } from '../context.js'
import { quotaFields as Q } from '../generated/layouts.js'
import { readQuotaRow } from '../quotas/copies.js'

type Asking = Pick<ExecutionSpec, 'quotas' | 'budgets'>

/** A quota is never removed, nor does it move to another namespace: what was found once need not be looked for again. */
const KNOWN_MAX = 10_000

export function asksForAny({ quotas, budgets }: Asking): boolean {
  return (quotas?.length ?? 0) + (budgets?.length ?? 0) > 0
}

/** Throws for a quota, a budget or a dimension that is not there; costs nothing where none is named. */
export async function requireDemands(
  ctx: ValkeyContext,
  namespace: Namespace,
  specs: readonly Asking[],
): Promise<void> {
  const asking = specs.filter(asksForAny)
  if (asking.length === 0) return
  const quotaIds = [...new Set(asking.flatMap(({ quotas = [] }) => quotas.map(({ quotaId }) => quotaId)))]
  const budgetIds = [
    ...new Set(asking.flatMap(({ budgets = [] }) => budgets.map(({ budgetId }) => budgetId))),
  ]
  const [owners, found] = await Promise.all([
    Promise.all(quotaIds.map(async (id) => [id, await ownerOf(ctx, id)] as const)),
    readBudgets(ctx, budgetIds),
  ])
  const ownerById = new Map(owners)
  for (const { quotas = [], budgets = [] } of asking) {
    for (const { quotaId } of quotas) {
      if (ownerById.get(quotaId) !== namespace) throw quotaNotFound(quotaId)
    }
    for (const { budgetId, estimate = {} } of budgets) {
      const budget = found.get(budgetId)
      if (budget?.namespace !== namespace) throw budgetNotFound(budgetId)
      const unknown = Object.keys(estimate).find(
        (name) => !Object.hasOwn(must(budget, 'a budget').budget.limits, name),
      )
      if (unknown !== undefined) throw unknownDimension(unknown)
    }
  }
}

async function ownerOf(ctx: ValkeyContext, id: string): Promise<string | undefined> {
  const known = ctx.quotaOwners.get(id)
  if (known !== undefined) return known
  const row = await readQuotaRow(ctx, id)
  if (row === undefined) return undefined
  if (ctx.quotaOwners.size >= KNOWN_MAX) ctx.quotaOwners.clear()
  ctx.quotaOwners.set(id, row[Q.ns])
  return row[Q.ns]
}
