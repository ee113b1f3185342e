import { engineError } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

/** The store's clock. */
export async function readServerTimeMs(ctx: PostgresContext): Promise<number> {
  const [row] = await ctx.db.query<{ now: number }>('select ff.now_ms() as now')
  if (row === undefined) throw engineError('unexpected_answer', 'The clock answered nothing', { status: 0 })
  return row.now
}

/** Moves the clock of a store that was made for tests; it never goes back. */
export async function advanceTime(
  ctx: PostgresContext,
  { byMs }: { readonly byMs: number },
): Promise<{ readonly nowMs: number }> {
  if (!Number.isSafeInteger(byMs) || byMs < 0) {
    throw engineError('invalid_params', 'byMs is not a whole number of 0 or more', {
      issues: [{ path: 'byMs', message: 'must be a whole number of 0 or more' }],
    })
  }
  const [row] = await ctx.db.call<{ now: number }>(
    `update ff.deployment set virtual_now_ms = virtual_now_ms + $1::bigint where virtual_now_ms is not null
     returning virtual_now_ms as now`,
    [byMs],
  )
  if (row === undefined) throw engineError('virtual_time_off', 'The store was not created for virtual time')
  return { nowMs: row.now }
}
