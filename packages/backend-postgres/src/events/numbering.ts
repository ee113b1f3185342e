import type { PostgresContext } from '../db/context.js'

/**
 * Numbers the committed events of partitions, and answers how many rows. Events get their numbers only here, after
 * their commit, so that an open transaction holds up nothing but its own: what it leaves is numbered when it comes.
 * Whoever holds the head of a partition numbers for all.
 */
export async function numberEvents(ctx: PostgresContext, partitions: readonly number[]): Promise<number> {
  const [row] = await ctx.db.call<{ numbered: number }>(
    'select ff.number_events($1::integer[]) as numbered',
    [partitions],
  )
  return row?.numbered ?? 0
}
