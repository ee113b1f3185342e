import type { PostgresContext } from '../db/context.js'

/**
 * Numbers the committed events, and answers how many. Events get their numbers only here, after their commit, so that an
 * open transaction holds up nothing but its own: what it leaves is numbered when it comes. One session at a time numbers
 * for all; `waits`: for that one, so that whatever was committed before this call has its number after it.
 */
export async function numberEvents(
  ctx: PostgresContext,
  { waits }: { readonly waits: boolean },
): Promise<number> {
  const [row] = await ctx.db.call<{ numbered: number }>('select ff.number_events($1::boolean) as numbered', [
    waits,
  ])
  return row?.numbered ?? 0
}
