import {
  type Namespace,
  type OperationId,
  type OperationRow,
  type OperationStore,
  type OperationWrite,
  quotaPartition,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

interface Row {
  readonly namespace: Namespace
  readonly id: OperationId
  readonly version: number
  readonly created_at: number
  readonly due_at: number | null
  readonly definition: string
  readonly progress: string
}

type Timed<Columns> = Columns & { readonly now: number }

const columns = 'o.namespace, o.id, o.version, o.created_at, o.due_at, o.definition, o.progress'

/** Records of bulk operations, each written on condition of its version. */
export function createOperationRecords(ctx: PostgresContext): OperationStore {
  const { db } = ctx
  return {
    async read({ namespace, operationId }) {
      const [found] = await db.query<Timed<Row>>(
        `select t.now, ${columns} from (select ff.now_ms() as now) t
         left join ff.operation o on o.namespace = $1 and o.id = $2`,
        [namespace, operationId],
      )
      const nowMs = found?.now ?? 0
      return { nowMs, row: found === undefined || found.id === null ? undefined : toRow(found) }
    },

    async write(change) {
      const rows = change.expected === null ? await insert(ctx, change) : await update(ctx, change)
      return { nowMs: rows[0]?.now ?? 0, isWritten: rows.length > 0 }
    },

    async remove({ namespace, operationId, expected }) {
      const gone = await db.call(
        'delete from ff.operation where namespace = $1 and id = $2 and version = $3 returning 1',
        [namespace, operationId, expected],
      )
      return gone.length > 0
    },

    async due({ partition, max }) {
      // One more than asked for tells when the next of the others is due.
      const rows = await db.query<Timed<Row>>(
        `select t.now, ${columns} from (select ff.now_ms() as now) t left join lateral (
           select * from ff.operation where partition_key = $1 and due_at is not null
           order by due_at, namespace collate "C", id limit $2) o on true
         order by o.due_at, o.namespace collate "C", o.id`,
        [partition, max + 1],
      )
      const nowMs = rows[0]?.now ?? 0
      const due = rows.filter(({ due_at }) => due_at !== null && due_at <= nowMs).slice(0, max)
      return { nowMs, rows: due.map(toRow), nextDueAtMs: rows[due.length]?.due_at ?? null }
    },

    async list({ namespace, after, limit }) {
      const rows = await db.query<Row>(
        `select ${columns} from ff.operation o where o.namespace = $1
           and ($2::bigint is null or (o.created_at, o.id) < ($2::bigint, $3::uuid))
         order by o.created_at desc, o.id desc limit $4`,
        [namespace, after?.createdAtMs ?? null, after?.operationId ?? null, limit],
      )
      return rows.map(toRow)
    },
  }
}

async function insert(ctx: PostgresContext, change: OperationWrite): Promise<readonly { now: number }[]> {
  const { namespace, operationId, dueAtMs, progress, created } = change
  if (created === undefined) return []
  const { quota } = await ctx.partitions()
  return ctx.db.call<{ now: number }>(
    `insert into ff.operation (partition_key, namespace, id, version, created_at, due_at, definition, progress)
     values ($1, $2, $3, 1, $4, $5, $6, $7) on conflict do nothing returning ff.now_ms() as now`,
    [
      quotaPartition(namespace, operationId, quota),
      namespace,
      operationId,
      created.atMs,
      dueAtMs,
      created.definition,
      progress,
    ],
  )
}

function update(ctx: PostgresContext, change: OperationWrite): Promise<readonly { now: number }[]> {
  const { namespace, operationId, expected, dueAtMs, progress } = change
  return ctx.db.call<{ now: number }>(
    `update ff.operation o set version = o.version + 1, due_at = $4, progress = $5
     where o.namespace = $1 and o.id = $2 and o.version = $3 returning ff.now_ms() as now`,
    [namespace, operationId, expected, dueAtMs, progress],
  )
}

function toRow(row: Row): OperationRow {
  const { namespace, id: operationId, version, created_at: createdAtMs, due_at: dueAtMs } = row
  const { definition, progress } = row
  return { namespace, operationId, version, createdAtMs, dueAtMs, definition, progress }
}
