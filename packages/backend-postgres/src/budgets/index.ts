import {
  type Budget,
  type BudgetId,
  type BudgetOperations,
  type BudgetReconcileItem,
  budgetNotFound,
  checkResetBudget,
  checkScanRequest,
  limits,
  makeExecutionId,
  type ResetBudget,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createBudget, getBudget, listBudgets, readBudget, updateBudget } from './records.js'
import { reportUsage } from './usage.js'

export function createBudgets(ctx: PostgresContext): BudgetOperations {
  return {
    create: (params) => createBudget(ctx, params),
    get: (params) => getBudget(ctx, params),
    list: (params) => listBudgets(ctx, params),
    update: (params) => updateBudget(ctx, params),
    reportUsage: (params) => reportUsage(ctx, params),
    reset: (params) => reset(ctx, params),
    resetDue: (params) => resetDue(ctx, params),
    reconcile: (params) => reconcile(ctx, params),
  }
}

async function reset(
  ctx: PostgresContext,
  params: ResetBudget,
): Promise<{ readonly outcome: 'reset' | 'duplicate'; readonly budget: Budget }> {
  checkResetBudget(params)
  const { namespace, budgetId, resetKey } = params
  const [row] = await ctx.db.call<{ outcome: 'reset' | 'duplicate' | 'budget_not_found' }>(
    'select ff.reset_budget($1::uuid, $2, $3, $4::bigint) as outcome',
    [budgetId, namespace, resetKey, limits.idempotencyTtlMs],
  )
  if (row === undefined || row.outcome === 'budget_not_found') throw budgetNotFound(budgetId)
  if (row.outcome === 'reset') ctx.waker.budget(budgetId)
  return { outcome: row.outcome, budget: await readBudget(ctx, params) }
}

type ResetItem = { readonly outcome: 'reset'; readonly budgetId: BudgetId; readonly nextResetAtMs: number }

async function resetDue(ctx: PostgresContext, params: ScanRequest): Promise<ScanResult<ResetItem>> {
  const partition = checkScanRequest(params, await ctx.partitions(), 'budget')
  const rows = await ctx.db.call<{ id: BudgetId; next_reset_at: number }>(
    'select id, next_reset_at from ff.reset_due_budgets($1::integer, $2::integer)',
    [partition, params.max],
  )
  for (const { id } of rows) ctx.waker.budget(id)
  const [left] = await ctx.db.query<{ now: number; next: number | null }>(
    'select ff.now_ms() as now, (select min(next_reset_at) from ff.budget where partition_key = $1) as next',
    [partition],
  )
  const next = left?.next ?? null
  return {
    items: rows.map(({ id, next_reset_at }) => ({
      outcome: 'reset',
      budgetId: id,
      nextResetAtMs: next_reset_at,
    })),
    more: next !== null && next <= (left?.now ?? 0),
    ...(next === null ? {} : { nextDueAtMs: next }),
  }
}

async function reconcile(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<BudgetReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions(), 'budget')
  const rows = await ctx.db.call<{
    budget_id: BudgetId
    execution_partition: number | null
    execution_id: string | null
    finding: string
  }>('select * from ff.reconcile_budgets($1::integer, $2::integer, $3::bigint)', [
    partition,
    params.max,
    limits.idempotencyTtlMs,
  ])
  for (const { budget_id } of rows) ctx.waker.budget(budget_id)
  return {
    items: rows.map(({ budget_id: budgetId, execution_partition, execution_id, finding }) => ({
      outcome: execution_id === null ? ('drift' as const) : ('released' as const),
      budgetId,
      executionId:
        execution_id === null || execution_partition === null
          ? null
          : makeExecutionId(execution_partition, execution_id),
      finding,
    })),
    more: rows.length >= params.max,
  }
}
