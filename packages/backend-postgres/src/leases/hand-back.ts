import {
  type CheckedHandle,
  checkDelay,
  checkYield,
  type DelayLeases,
  type DelayOutcome,
  type ItemError,
  isEngineError,
  type LeaseHandle,
  must,
  type YieldLeases,
  type YieldOutcome,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { announceEnds } from './after-end.js'
import { type FinishedRow, finishedColumnNames, toOutcome } from './finished-row.js'
import { handleColumns } from './handle-columns.js'

/** The two ways of giving a lease back without an end: `delay` keeps the attempt, `yield` takes it back. */
export async function delayLeases(
  ctx: PostgresContext,
  params: DelayLeases,
): Promise<{ readonly items: readonly DelayOutcome[] }> {
  const items = await handBack(ctx, checkDelay(params), (handles, indexes) =>
    ctx.db.call<FinishedRow>(
      `select ${finishedColumnNames.join(', ')} from ff.delay_leases($1::integer[], $2::uuid[], $3::integer[], $4::uuid[], $5::bigint[],
        $6::bigint[], $7::text[])`,
      [...handles, indexes.map((index) => must(params.items[index], 'an item').untilMs), params.namespaces],
    ),
  )
  return { items: items as readonly DelayOutcome[] }
}

export async function yieldLeases(
  ctx: PostgresContext,
  params: YieldLeases,
): Promise<{ readonly items: readonly YieldOutcome[] }> {
  const items = await handBack(ctx, checkYield(params), (handles) =>
    ctx.db.call<FinishedRow>(
      `select ${finishedColumnNames.join(', ')} from ff.yield_leases($1::integer[], $2::uuid[], $3::integer[], $4::uuid[], $5::bigint[],
        $6::text[])`,
      [...handles, params.namespaces],
    ),
  )
  return { items: items as readonly YieldOutcome[] }
}

/** One statement for the good items; an execution that occurs twice is answered in a second one. */
async function handBack(
  ctx: PostgresContext,
  checked: readonly CheckedHandle[],
  call: (handles: SqlValue[], indexes: readonly number[]) => Promise<readonly FinishedRow[]>,
): Promise<({ readonly outcome: string } | ItemError)[]> {
  const answers: ({ readonly outcome: string } | ItemError)[] = []
  let rest: { readonly handle: LeaseHandle; readonly index: number }[] = []
  checked.forEach((handle, index) => {
    if (isEngineError(handle)) answers[index] = { outcome: 'error', error: handle }
    else rest.push({ handle, index })
  })
  while (rest.length > 0) {
    const seen = new Set<string>()
    const batch = rest.filter(({ handle }) => !seen.has(handle.executionId) && seen.add(handle.executionId))
    rest = rest.filter((each) => !batch.includes(each))
    const indexes = batch.map(({ index }) => index)
    const rows = await call(handleColumns(batch.map(({ handle }) => handle)), indexes)
    announceEnds(ctx, rows)
    for (const row of rows) {
      const outcome = toOutcome(row)
      // Only a failure that ended as a cancel can have been late.
      answers[must(indexes[row.ord - 1], 'the place of an item')] =
        row.outcome === 'cancelled' ? { outcome: row.outcome } : outcome
    }
  }
  return answers
}
