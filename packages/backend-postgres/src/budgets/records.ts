import {
  type Budget,
  budgetNotFound,
  type CreateBudget,
  type CreateBudgetOutcome,
  checkCreateBudget,
  checkGetBudget,
  checkListBudgets,
  checkUpdateBudget,
  type GetBudget,
  type ListBudgets,
  limits,
  must,
  type Page,
  parseFlowId,
  partitionOfBudget,
  partitionOfFlow,
  type UpdateBudget,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { readNewestCursor, writeNewestCursor } from '../quotas/newest-cursor.js'
import { announceJob, draftJob } from './breach-jobs.js'
import { type BudgetRow, budgetColumns, settingsOf, sortLimits, toBudget } from './budget-row.js'

export async function createBudget(ctx: PostgresContext, params: CreateBudget): Promise<CreateBudgetOutcome> {
  checkCreateBudget(params)
  const { namespace, budgetId, firstResetAtMs = null } = params
  const settings = settingsOf(params)
  const content = JSON.stringify([settings, firstResetAtMs])
  const { budget, flow } = await ctx.partitions()
  const made = await ctx.db.call(
    `insert into ff.budget (id, partition_key, feed_partition, namespace, label, limits, on_hard_breach, reset_period_ms, content,
       created_at, period_started_at, next_reset_at)
     select $1, $2::integer, $3::integer, $4, $5, $6::jsonb, $7, $8::bigint, $9, n.now, n.now,
       case when $8::bigint is not null then coalesce($10::bigint, n.now + $8) end
     from (select ff.now_ms() as now) n on conflict (id) do nothing returning id`,
    [
      budgetId,
      partitionOfBudget(budgetId, budget),
      partitionOfFlow(parseFlowId(budgetId), flow),
      namespace,
      settings.label,
      JSON.stringify(settings.limits),
      settings.onHardBreach,
      settings.resetPeriodMs,
      content,
      firstResetAtMs,
    ],
  )
  const [known] = await ctx.db.query<{ same: boolean }>(
    'select namespace = $2 and content = $3 as same from ff.budget where id = $1',
    [budgetId, namespace, content],
  )
  if (known?.same !== true) return { outcome: 'budget_conflict' }
  return { outcome: made.length > 0 ? 'created' : 'duplicate', budget: await readBudget(ctx, params) }
}

export async function getBudget(
  ctx: PostgresContext,
  params: GetBudget,
): Promise<{ readonly outcome: 'found'; readonly budget: Budget }> {
  checkGetBudget(params)
  return { outcome: 'found', budget: await readBudget(ctx, params) }
}

/** Throws `budget_not_found`. */
export async function readBudget(ctx: PostgresContext, { namespace, budgetId }: GetBudget): Promise<Budget> {
  const [row] = await ctx.db.query<BudgetRow>(
    `select ${budgetColumns} from ff.budget b where b.id = $1 and b.namespace = $2`,
    [budgetId, namespace],
  )
  if (row === undefined) throw budgetNotFound(budgetId)
  return toBudget(row)
}

export async function listBudgets(ctx: PostgresContext, params: ListBudgets): Promise<Page<Budget>> {
  checkListBudgets(params)
  const { namespace, cursor, limit = limits.pageSizeDefault } = params
  const after = readNewestCursor(cursor)
  const rows = await ctx.db.query<BudgetRow>(
    `select ${budgetColumns} from ff.budget b
     where b.namespace = $1 and ($2::bigint is null or (b.created_at, b.id) < ($2, $3::uuid))
     order by b.created_at desc, b.id desc limit $4`,
    [namespace, after?.createdAtMs ?? null, after?.id ?? null, limit + 1],
  )
  const items = rows.slice(0, limit).map(toBudget)
  return { items, nextCursor: rows.length > limit ? writeNewestCursor(must(items.at(-1), 'a budget')) : null }
}

/** Answers when no claim is left that may not have seen the change. */
export async function updateBudget(
  ctx: PostgresContext,
  params: UpdateBudget,
): Promise<{ readonly outcome: 'updated'; readonly budget: Budget }> {
  checkUpdateBudget(params)
  const { namespace, budgetId, settings } = params
  const { label, limits: of, onHardBreach, resetPeriodMs } = settings
  const job = await draftJob(ctx, [namespace])
  const [changed] = await ctx.db.call<{ job_at: number | null }>(
    `select job_at from ff.update_budget($1::uuid, $2, $3, $4::jsonb, $5, $6::boolean, $7::bigint, $8::uuid, $9::integer, $10)`,
    [
      budgetId,
      namespace,
      label ?? null,
      of === undefined ? null : JSON.stringify(sortLimits(of)),
      onHardBreach ?? null,
      resetPeriodMs !== undefined,
      resetPeriodMs ?? null,
      job.operationId,
      job.homes[0] ?? 0,
      job.progress,
    ],
  )
  if (changed === undefined) throw budgetNotFound(budgetId)
  announceJob(ctx, job.homes[0], changed.job_at)
  ctx.demands.forget(budgetId)
  await ctx.db.call('select ff.quiesce()')
  ctx.waker.budget(budgetId)
  return { outcome: 'updated', budget: await readBudget(ctx, params) }
}
