import {
  type CreateQuota,
  type CreateQuotaOutcome,
  checkCreateQuota,
  checkGetQuota,
  checkListQuotas,
  checkUpdateQuota,
  type GetQuota,
  type ListQuotas,
  limits,
  must,
  type Page,
  type Quota,
  type QuotaId,
  quotaNotFound,
  type UpdateQuota,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { readNewestCursor, writeNewestCursor } from './newest-cursor.js'
import { type QuotaRow, quotaColumns, settingsOf, toQuota } from './quota-row.js'

export async function createQuota(ctx: PostgresContext, params: CreateQuota): Promise<CreateQuotaOutcome> {
  checkCreateQuota(params)
  const { namespace, quotaId } = params
  const settings = settingsOf(params)
  const content = JSON.stringify(settings)
  const made = await ctx.db.call(
    `insert into ff.quota (id, namespace, label, rate_units, rate_window_ms, concurrency, strategy, content, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, ff.now_ms()) on conflict (id) do nothing returning id`,
    [
      quotaId,
      namespace,
      settings.label,
      settings.rate?.units ?? null,
      settings.rate?.windowMs ?? null,
      settings.concurrency,
      settings.strategy,
      content,
    ],
  )
  const [known] = await ctx.db.query<{ same: boolean }>(
    'select namespace = $2 and content = $3 as same from ff.quota where id = $1',
    [quotaId, namespace, content],
  )
  if (known?.same !== true) return { outcome: 'quota_conflict' }
  return { outcome: made.length > 0 ? 'created' : 'duplicate', quota: await readQuota(ctx, params) }
}

export async function getQuota(
  ctx: PostgresContext,
  params: GetQuota,
): Promise<{ readonly outcome: 'found'; readonly quota: Quota }> {
  checkGetQuota(params)
  return { outcome: 'found', quota: await readQuota(ctx, params) }
}

async function readQuota(ctx: PostgresContext, { namespace, quotaId, key = '' }: GetQuota): Promise<Quota> {
  const [row] = await ctx.db.query<QuotaRow>(
    `select ${quotaColumns} from ff.quota q where q.id = $2 and q.namespace = $3`,
    [key, quotaId, namespace],
  )
  if (row === undefined) throw quotaNotFound(quotaId)
  return toQuota(row)
}

export async function listQuotas(ctx: PostgresContext, params: ListQuotas): Promise<Page<Quota>> {
  checkListQuotas(params)
  const { namespace, cursor, limit = limits.pageSizeDefault } = params
  const after = readNewestCursor(cursor)
  const rows = await ctx.db.query<QuotaRow>(
    `select ${quotaColumns} from ff.quota q
     where q.namespace = $2 and ($3::bigint is null or (q.created_at, q.id) < ($3, $4::uuid))
     order by q.created_at desc, q.id desc limit $5`,
    ['', namespace, after?.createdAtMs ?? null, after?.id ?? null, limit + 1],
  )
  const items = rows.slice(0, limit).map(toQuota)
  return { items, nextCursor: rows.length > limit ? writeNewestCursor(must(items.at(-1), 'a quota')) : null }
}

/** Answers when no claim is left that may not have seen the change. */
export async function updateQuota(
  ctx: PostgresContext,
  params: UpdateQuota,
): Promise<{ readonly outcome: 'updated'; readonly quota: Quota }> {
  checkUpdateQuota(params)
  const { namespace, quotaId, settings } = params
  const { label, rate, concurrency, strategy } = settings
  await ctx.db.transaction(async (tx) => {
    const [old] = await tx.query<{ rate_window_ms: number | null }>(
      'select rate_window_ms from ff.quota where id = $1 and namespace = $2 for update',
      [quotaId, namespace],
    )
    if (old === undefined) throw quotaNotFound(quotaId)
    // What counts no more under the old window is not to count under the new.
    await tx.query(
      `delete from ff.quota_step where quota_id = $1
         and ($2::bigint is null or at <= ff.now_ms() - $2 - ff.rate_step_ms($2) + 1)`,
      [quotaId, old.rate_window_ms],
    )
    await tx.query(
      `update ff.quota set label = coalesce($2, label), strategy = coalesce($3, strategy),
         rate_units = case when $4::boolean then $5 else rate_units end,
         rate_window_ms = case when $4 then $6 else rate_window_ms end,
         concurrency = case when $7::boolean then $8 else concurrency end
       where id = $1`,
      [
        quotaId,
        label ?? null,
        strategy ?? null,
        rate !== undefined,
        rate?.units ?? null,
        rate?.windowMs ?? null,
        concurrency !== undefined,
        concurrency ?? null,
      ],
    )
  })
  await ctx.db.call('select ff.quiesce()')
  await wakeKeys(ctx, quotaId)
  return { outcome: 'updated', quota: await readQuota(ctx, params) }
}

async function wakeKeys(ctx: PostgresContext, quotaId: QuotaId): Promise<void> {
  const keys = await ctx.db.query<{ key: string }>(
    'select distinct by_key as key from ff.admission_line where by_quota = $1',
    [quotaId],
  )
  for (const { key } of keys) ctx.waker.quota(quotaId, key)
}
