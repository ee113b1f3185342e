import { type DueRecords, type DueRow, type DueWrite, type Namespace, quotaPartition } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { readDueRows } from './due-rows.js'

/** Tables that have the same columns. */
export type RecordTable = 'operation' | 'webhook'

interface Row {
  readonly namespace: Namespace
  readonly id: string
  readonly version: number
  readonly created_at: number
  readonly due_at: number | null
  readonly definition: string
  readonly progress: string
}

const columns = 'r.namespace, r.id, r.version, r.created_at, r.due_at, r.definition, r.progress'

/** Records of one kind, each written on condition of its version. */
export function createDueRecords(ctx: PostgresContext, table: RecordTable): DueRecords {
  const { db } = ctx
  return {
    async read({ namespace, id }) {
      const [found] = await db.query<Row & { readonly now: number }>(
        `select t.now, ${columns} from (select ff.now_ms() as now) t
         left join ff.${table} r on r.namespace = $1 and r.id = $2`,
        [namespace, id],
      )
      const nowMs = found?.now ?? 0
      return { nowMs, row: found === undefined || found.id === null ? undefined : toRow(found) }
    },

    async write(change) {
      const rows =
        change.expected === null ? await insert(ctx, table, change) : await update(ctx, table, change)
      return { nowMs: rows[0]?.now ?? 0, isWritten: rows.length > 0 }
    },

    async remove({ namespace, id, expected }) {
      const gone = await db.call(
        `delete from ff.${table} where namespace = $1 and id = $2 and version = $3 returning 1`,
        [namespace, id, expected],
      )
      return gone.length > 0
    },

    async due(params) {
      const { nowMs, due, nextDueAtMs } = await readDueRows<Row>(ctx, { table, columns }, params)
      return { nowMs, rows: due.map(toRow), nextDueAtMs }
    },

    async list({ namespace, after, limit }) {
      const rows = await db.query<Row>(
        `select ${columns} from ff.${table} r where r.namespace = $1
           and ($2::bigint is null or (r.created_at, r.id) < ($2::bigint, $3::uuid))
         order by r.created_at desc, r.id desc limit $4`,
        [namespace, after?.createdAtMs ?? null, after?.id ?? null, limit],
      )
      return rows.map(toRow)
    },
  }
}

type Written = Promise<readonly { readonly now: number }[]>

async function insert(ctx: PostgresContext, table: RecordTable, change: DueWrite): Written {
  const { namespace, id, dueAtMs, progress, definition, createdAtMs } = change
  if (definition === undefined || createdAtMs === undefined) return []
  const { quota } = await ctx.partitions()
  return ctx.db.call<{ now: number }>(
    `insert into ff.${table} (partition_key, namespace, id, version, created_at, due_at, definition, progress)
     values ($1, $2, $3, 1, $4, $5, $6, $7) on conflict do nothing returning ff.now_ms() as now`,
    [quotaPartition(namespace, id, quota), namespace, id, createdAtMs, dueAtMs, definition, progress],
  )
}

function update(ctx: PostgresContext, table: RecordTable, change: DueWrite): Written {
  const { namespace, id, expected, dueAtMs, progress, definition = null } = change
  return ctx.db.call<{ now: number }>(
    `update ff.${table} r set version = r.version + 1, due_at = $4, progress = $5, definition = coalesce($6, r.definition)
     where r.namespace = $1 and r.id = $2 and r.version = $3 returning ff.now_ms() as now`,
    [namespace, id, expected, dueAtMs, progress, definition],
  )
}

function toRow(row: Row): DueRow {
  const { namespace, id, version, created_at: createdAtMs, due_at: dueAtMs, definition, progress } = row
  return { namespace, id, version, createdAtMs, dueAtMs, definition, progress }
}
