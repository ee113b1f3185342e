import type { PostgresContext } from '../db/context.js'

interface DueColumns {
  readonly due_at: number | null
}

export interface DueRows<Row> {
  readonly nowMs: number
  readonly due: readonly Row[]
  /** Of the first of the others; `null` where there is none. */
  readonly nextDueAtMs: number | null
}

/** Rows of a partition that are due, or will be within so many ms, the longest due first. The columns are those of `r`. */
export async function readDueRows<Row extends DueColumns>(
  { db }: PostgresContext,
  { table, columns }: { readonly table: string; readonly columns: string },
  {
    partition,
    max,
    withinMs = 0,
  }: {
    readonly partition: number
    readonly max: number
    readonly withinMs?: number | undefined
  },
): Promise<DueRows<Row>> {
  // One more than asked for tells when the next of the others is due.
  const rows = await db.query<Row & { readonly now: number }>(
    `select t.now, ${columns} from (select ff.now_ms() as now) t left join lateral (
       select * from ff.${table} where partition_key = $1 and due_at is not null
       order by due_at, namespace collate "C", id limit $2) r on true
     order by r.due_at, r.namespace collate "C", r.id`,
    [partition, max + 1],
  )
  const nowMs = rows[0]?.now ?? 0
  const due = rows.filter(({ due_at }) => due_at !== null && due_at <= nowMs + withinMs).slice(0, max)
  return { nowMs, due, nextDueAtMs: rows[due.length]?.due_at ?? null }
}
