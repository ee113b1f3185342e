import type { PostgresContext } from '../db/context.js'
import { createGroup } from '../db/group-commit.js'

/** Statements' events that one transaction numbers. */
const BATCHES_MAX = 1_000

interface NumberedRow {
  readonly numbered: number
  readonly last: number | null
  readonly more: boolean
}

/**
 * Numbers the committed events, and answers how many. Events get their numbers only here, after their commit, so that an
 * open transaction holds up nothing but its own: what it leaves is numbered when it comes. One session at a time numbers
 * for all; `waits`: for that one, so that whatever was committed before this call has its number after it.
 */
export async function numberEvents(
  ctx: PostgresContext,
  { waits }: { readonly waits: boolean },
): Promise<number> {
  let total = 0
  let last: number | null = null
  for (;;) {
    const rows: readonly NumberedRow[] = await ctx.db.call<NumberedRow>(
      'select numbered, last, more from ff.number_events($1::boolean, $2::bigint, $3::integer)',
      [waits, last, BATCHES_MAX],
    )
    const [row] = rows
    total += row?.numbered ?? 0
    if (row?.more !== true) return total
    last = row.last
  }
}

/** For the readers of one process: those who come while a numbering runs share the next one. */
export function createSharedNumbering(ctx: PostgresContext): () => Promise<void> {
  let readers = 0
  const group = createGroup<number, null>({
    itemsMax: Number.POSITIVE_INFINITY,
    keyOf: String,
    async run(items) {
      await numberEvents(ctx, { waits: true })
      return items.map(() => null)
    },
  })
  return async () => {
    readers += 1
    await group.add(readers)
  }
}
