import {
  type Amounts,
  type BreachLevel,
  budgetNotFound,
  checkReportUsage,
  isEngineError,
  type LeaseHandle,
  limits,
  must,
  partitionIndexOf,
  type ReportedUsage,
  type ReportUsage,
  type ReportUsageOutcome,
  sortAmounts,
  unknownDimension,
  usageOverflow,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceJob, draftJob } from './breach-jobs.js'

interface ReportedRow {
  readonly outcome:
    | BreachLevel
    | 'duplicate'
    | 'stale_lease'
    | 'budget_not_found'
    | 'unknown_dimension'
    | 'limit_exceeded'
  readonly used: Amounts | null
  readonly dimension: string | null
  readonly actual: number | null
  readonly job_at: number | null
  readonly job_home: number | null
}

/** One after the other: two items may be of one budget, and then the order counts. */
export async function reportUsage(
  ctx: PostgresContext,
  params: ReportUsage,
): Promise<{ readonly items: readonly ReportUsageOutcome[] }> {
  const handles = checkReportUsage(params)
  const items: ReportUsageOutcome[] = []
  for (const [place, handle] of handles.entries()) {
    const item = must(params.items[place], 'an item')
    items.push(
      isEngineError(handle)
        ? { outcome: 'error', error: handle }
        : await report(ctx, params.namespaces, handle, item),
    )
  }
  return { items }
}

async function report(
  ctx: PostgresContext,
  namespaces: readonly string[],
  { executionId, attemptIndex }: LeaseHandle,
  { budgetId, usageKey, amounts }: ReportedUsage,
): Promise<ReportUsageOutcome> {
  const job = await draftJob(ctx, namespaces)
  const [found] = await ctx.db.call<ReportedRow>(
    `select outcome, used, dimension, actual, job_at, job_home
     from ff.report_usage($1::integer, $2::uuid, $3::integer, $4::text[], $5::uuid, $6, $7::jsonb, $8::bigint, $9::bigint,
       $10::uuid, $11::integer[], $12)`,
    [
      partitionIndexOf(executionId),
      uuidOf(executionId),
      attemptIndex,
      namespaces,
      budgetId,
      usageKey,
      JSON.stringify(amounts),
      limits.idempotencyTtlMs,
      limits.amountSumMax,
      job.operationId,
      job.homes,
      job.progress,
    ],
  )
  const row = must(found, 'the answer to a report')
  announceJob(ctx, row.job_home ?? undefined, row.job_at)
  switch (row.outcome) {
    case 'duplicate':
    case 'stale_lease':
      return { outcome: row.outcome }
    case 'budget_not_found':
      return { outcome: 'error', error: budgetNotFound(budgetId) }
    case 'unknown_dimension':
      return { outcome: 'error', error: unknownDimension(must(row.dimension, 'a dimension')) }
    case 'limit_exceeded':
      return {
        outcome: 'error',
        error: usageOverflow(must(row.dimension, 'a dimension'), Number(row.actual)),
      }
    default:
      return { outcome: row.outcome, used: sortAmounts(must(row.used, 'what is used')) }
  }
}
