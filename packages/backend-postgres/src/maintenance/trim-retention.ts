import {
  checkScanRequest,
  type FlowId,
  limits,
  type RetentionItem,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { numberEvents } from '../events/numbering.js'
import { trimAudit, trimTokens } from './trim-records.js'

/** Executions that one transaction removes. */
const REMOVE_BATCH = 200
/** Frames of their streams that one transaction removes. */
const FRAMES_BATCH = 10_000

/** Removes what is past its retention, with everything that belongs to it, in short transactions. */
export async function trimRetention(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<RetentionItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const executions = await trimExecutions(ctx, partition, params.max)
  const flows = await trimFlows(ctx, partition, params.max)
  const keys = await trimKeys(ctx, params.max)
  const events = await trimEvents(ctx, partition, params.max)
  // What belongs to no partition goes with the first one.
  const tokens = partition === 0 ? await trimTokens(ctx, params.max) : 0
  const audit = partition === 0 ? await trimAudit(ctx, params.max) : 0
  const counted: readonly (readonly [RetentionItem['what'], number])[] = [
    ['execution', executions],
    ['flow', flows.removed],
    ['idempotency_key', keys],
    ['event', events.removed],
    ['token', tokens],
    ['audit_entry', audit],
  ]
  return {
    items: counted.flatMap(([what, count]) =>
      count > 0 ? [{ outcome: 'removed' as const, what, count }] : [],
    ),
    more: flows.more || events.more || [executions, keys, tokens, audit].some((count) => count >= params.max),
  }
}

async function trimExecutions(ctx: PostgresContext, partition: number, max: number): Promise<number> {
  let removed = 0
  for (;;) {
    const batch = Math.min(max - removed, REMOVE_BATCH)
    if (batch <= 0) return removed
    const [row] = await ctx.db.call<{ n: number | null }>('select ff.trim_executions($1, $2, $3) as n', [
      partition,
      batch,
      FRAMES_BATCH,
    ])
    // Frames were left.
    if (row?.n === null) continue
    removed += row?.n ?? 0
    if ((row?.n ?? 0) < batch) return removed
  }
}

async function trimFlows(
  ctx: PostgresContext,
  partition: number,
  max: number,
): Promise<{ readonly removed: number; readonly more: boolean }> {
  const due = await ctx.db.query<{ id: FlowId }>(
    `select id from ff.flow where partition_key = $1 and due_at <= ff.now_ms() and state in ('completed', 'failed', 'cancelled')
     order by due_at, id limit $2`,
    [partition, max],
  )
  let removed = 0
  for (const { id } of due) {
    for (;;) {
      const [row] = await ctx.db.call<{ gone: boolean | null }>(
        'select ff.trim_flow($1, $2, $3, $4) as gone',
        [partition, id, REMOVE_BATCH, FRAMES_BATCH],
      )
      if (row?.gone === true) removed += 1
      if (row?.gone !== false) break
    }
  }
  return { removed, more: due.length === max }
}

/** Keys belong to no partition: whichever is trimmed first takes them. */
async function trimKeys(ctx: PostgresContext, max: number): Promise<number> {
  const rows = await ctx.db.call<{ key: string }>(
    `delete from ff.idempotency_key where (namespace, key) in (
       select namespace, key from ff.idempotency_key where expires_at <= ff.now_ms() limit $1 for update skip locked)
     returning key`,
    [max],
  )
  return rows.length
}

async function trimEvents(
  ctx: PostgresContext,
  partition: number,
  max: number,
): Promise<{ readonly removed: number; readonly more: boolean }> {
  // What has no number yet could not be told to a reader who is behind.
  await numberEvents(ctx, { waits: false })
  const [row] = await ctx.db.call<{ removed: number; more: boolean }>(
    'select removed, more from ff.trim_events($1, $2, $3, $4)',
    [partition, limits.feedLengthMax, limits.feedAgeMsMax, max],
  )
  return row ?? { removed: 0, more: false }
}
