import {
  type Amounts,
  type BudgetId,
  type BudgetLimit,
  type Execution,
  type ExplainFacts,
  makeExecutionId,
  must,
  type ParkedBy,
  type QuotaId,
  type QuotaStrategy,
} from '@flowfabric/core'
import type { Executor } from '../db/database.js'

interface QuotaFactsRow {
  readonly rate_units: number | null
  readonly rate_window_ms: number | null
  readonly concurrency: number | null
  readonly strategy: QuotaStrategy
  readonly held: number
  readonly units: number
  readonly retry_at: number | null
}

interface BudgetFactsRow {
  readonly limits: Readonly<Record<string, BudgetLimit>>
  readonly used: Amounts
  readonly reserved: Amounts
  readonly next_reset_at: number | null
}

interface LineRow {
  readonly partition_key: number
  readonly head_id: string
  readonly by_quota: QuotaId | null
  readonly by_key: string | null
  readonly by_budget: BudgetId | null
  readonly parked_at: number
}

type Facts = NonNullable<ExplainFacts['demands']>

/** What admission looks at of the quotas and budgets that an execution names. */
export async function readDemandFacts(
  tx: Executor,
  key: readonly [partition: number, id: string],
  { quotas, budgets }: Pick<Execution, 'quotas' | 'budgets'>,
): Promise<ExplainFacts['demands']> {
  if (quotas.length + budgets.length === 0) return null
  const quotaFacts: Facts['quotas'][number][] = []
  for (const demand of quotas) quotaFacts.push(await readQuotaFacts(tx, demand))
  const budgetFacts: Facts['budgets'][number][] = []
  for (const demand of budgets) budgetFacts.push(await readBudgetFacts(tx, demand))
  const [line] = await tx.query<LineRow>(
    `select l.partition_key, l.head_id, l.by_quota, l.by_key, l.by_budget, l.parked_at from ff.execution e
     join ff.admission_line l on l.admission_key = e.admission_key and l.partition_key = e.partition_key
     where e.partition_key = $1 and e.id = $2 and l.head_id is not null`,
    [...key],
  )
  return { quotas: quotaFacts, budgets: budgetFacts, parked: line === undefined ? null : toParked(line) }
}

async function readQuotaFacts(
  tx: Executor,
  demand: Execution['quotas'][number],
): Promise<Facts['quotas'][number]> {
  const { quotaId, key, cost } = demand
  const [found] = await tx.query<QuotaFactsRow>(
    `select q.rate_units, q.rate_window_ms, q.concurrency, q.strategy, ff.held_of(q.id, $2) as held,
       case when q.rate_units is null then 0 else ff.units_in_window(q.id, $2, q.rate_window_ms, ff.now_ms()) end as units,
       case when q.rate_units is not null
         then ff.rate_retry_at(q.id, $2, q.rate_units, q.rate_window_ms, $3::bigint, ff.now_ms()) end as retry_at
     from ff.quota q where q.id = $1`,
    [quotaId, key, cost],
  )
  const row = must(found, `quota ${quotaId}`)
  const { rate_units: units, rate_window_ms: windowMs } = row
  return {
    ...demand,
    rate: units === null || windowMs === null ? null : { units, windowMs },
    concurrency: row.concurrency,
    strategy: row.strategy,
    held: row.held,
    unitsInWindow: row.units,
    retryAtMs: row.retry_at,
  }
}

async function readBudgetFacts(
  tx: Executor,
  demand: Execution['budgets'][number],
): Promise<Facts['budgets'][number]> {
  const [found] = await tx.query<BudgetFactsRow>(
    'select b.limits, b.used, ff.reserved_of(b.id) as reserved, b.next_reset_at from ff.budget b where b.id = $1',
    [demand.budgetId],
  )
  const { next_reset_at: nextResetAtMs, ...facts } = must(found, `budget ${demand.budgetId}`)
  return { ...demand, ...facts, nextResetAtMs }
}

function toParked({
  partition_key,
  head_id,
  by_quota,
  by_key,
  by_budget,
  parked_at,
}: LineRow): Facts['parked'] {
  const by: ParkedBy =
    by_quota === null
      ? { kind: 'budget', budgetId: must(by_budget, 'what a line waits for') }
      : { kind: 'quota', quotaId: by_quota, key: by_key ?? '' }
  return { head: makeExecutionId(partition_key, head_id), by, sinceMs: parked_at }
}
