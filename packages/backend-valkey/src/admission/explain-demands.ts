import {
  type BudgetFacts,
  type ExecutionId,
  type ExplainFacts,
  makeExecutionId,
  type QuotaFacts,
  quotaNotFound,
} from '@flowfabric/core'
import { readBudgets } from '../budgets/stored-budget.js'
import type { ValkeyContext } from '../context.js'
import { readQuotaRow } from '../quotas/copies.js'
import { countKeys, settingsOf } from '../quotas/counts.js'
import type { StoredExecution } from '../records/stored-execution.js'
import { demandsOf, lineOfStored } from './packed-demands.js'
import { nameOfBudget, nameOfQuota, readResourceName } from './resource-names.js'

/** What admission looks at of an execution's quotas and budgets, as it stands in their partitions now. */
export async function explainDemands(
  ctx: ValkeyContext,
  partition: number,
  { fields }: StoredExecution,
): Promise<ExplainFacts['demands']> {
  const line = lineOfStored(fields)
  if (line === '') return null
  const { quotas, budgets } = demandsOf(fields)
  const [quotaFacts, stored, parked] = await Promise.all([
    readQuotaFacts(ctx, quotas),
    readBudgets(
      ctx,
      budgets.map(({ budgetId }) => budgetId),
    ),
    readParked(ctx, partition, line),
  ])
  return {
    quotas: quotaFacts,
    budgets: budgets.flatMap((demand): BudgetFacts[] => {
      const budget = stored.get(demand.budgetId)?.budget
      if (budget === undefined) return []
      const { limits, used, reserved, nextResetAtMs } = budget
      return [{ ...demand, limits, used, reserved, nextResetAtMs }]
    }),
    parked,
  }
}

async function readQuotaFacts(
  ctx: ValkeyContext,
  quotas: ReturnType<typeof demandsOf>['quotas'],
): Promise<readonly QuotaFacts[]> {
  const rows = await Promise.all(
    quotas.map(async ({ quotaId }) => {
      const row = await readQuotaRow(ctx, quotaId)
      if (row === undefined) throw quotaNotFound(quotaId)
      return row
    }),
  )
  const keys = quotas.flatMap(({ quotaId: id, key, cost }, place) => {
    const row = rows[place]
    return row === undefined ? [] : [{ id, key, cost, row }]
  })
  const counts = await countKeys(ctx, keys)
  return keys.map(({ id, key, cost, row }, place) => {
    const { rate, concurrency, strategy } = settingsOf(row)
    const { held = 0, unitsInWindow = 0, retryAtMs = null } = counts[place] ?? {}
    return { quotaId: id, key, cost, rate, concurrency, strategy, held, unitsInWindow, retryAtMs }
  })
}

type Parked = NonNullable<ExplainFacts['demands']>['parked']

async function readParked(ctx: ValkeyContext, partition: number, line: string): Promise<Parked> {
  const { reply } = await ctx.invoke({ name: 'admission_parked', tag: `fp:${partition}`, args: [line] })
  const [uuid, letter, id, key, sinceMs] = reply
  if (uuid === '') return null
  const head: ExecutionId = makeExecutionId(partition, uuid)
  return { head, by: readResourceName(letter === 'q' ? nameOfQuota(id, key) : nameOfBudget(id)), sinceMs }
}
