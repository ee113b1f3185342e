import type { Quota, QuotaId, QuotaSettings, QuotaStrategy } from '@flowfabric/core'

export interface QuotaRow {
  readonly id: QuotaId
  readonly label: string
  readonly rate_units: number | null
  readonly rate_window_ms: number | null
  readonly concurrency: number | null
  readonly strategy: QuotaStrategy
  readonly created_at: number
  readonly key: string
  readonly held: number
  readonly units: number
  readonly retry_at: number | null
  readonly waiting: number
}

/** Of `quota q`, with the counts of the key that the first parameter names. */
export const quotaColumns = `q.id, q.label, q.rate_units, q.rate_window_ms, q.concurrency, q.strategy, q.created_at, $1::text as key,
  ff.held_of(q.id, $1) as held,
  case when q.rate_units is null then 0 else ff.units_in_window(q.id, $1, q.rate_window_ms, ff.now_ms()) end as units,
  case when q.rate_units is not null then ff.rate_retry_at(q.id, $1, q.rate_units, q.rate_window_ms, 1, ff.now_ms()) end as retry_at,
  (select count(*) from ff.admission_line l where l.by_quota = q.id and l.by_key = $1) as waiting`

export function toQuota(row: QuotaRow): Quota {
  const { rate_units: units, rate_window_ms: windowMs } = row
  return {
    id: row.id,
    label: row.label,
    rate: units === null || windowMs === null ? null : { units, windowMs },
    concurrency: row.concurrency,
    strategy: row.strategy,
    createdAtMs: row.created_at,
    key: row.key,
    held: row.held,
    unitsInWindow: row.units,
    waiting: row.waiting,
    retryAtMs: row.retry_at,
  }
}

/** The settings alone, in one order: a repeat means the same. */
export function settingsOf({ label, rate, concurrency, strategy }: QuotaSettings): QuotaSettings {
  return {
    label,
    rate: rate === null ? null : { units: rate.units, windowMs: rate.windowMs },
    concurrency,
    strategy,
  }
}
