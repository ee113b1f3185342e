import {
  type FullScheduleRow,
  type Namespace,
  quotaPartition,
  type ScheduleId,
  type ScheduleRow,
  type ScheduleStore,
  type ScheduleWrite,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { readDueRows } from '../records/due-rows.js'

interface Row {
  readonly namespace: Namespace
  readonly id: ScheduleId
  readonly label: string
  readonly version: number
  readonly due_at: number | null
  readonly definition: string
  readonly progress: string
}

interface FullRow extends Row {
  readonly work: string
}

const columns = 'r.namespace, r.id, r.label, r.version, r.due_at, r.definition, r.progress'

/** Records of schedules, each written on condition of its version. */
export function createScheduleRecords(ctx: PostgresContext): ScheduleStore {
  const { db } = ctx
  return {
    async read({ namespace, scheduleId }) {
      const [found] = await db.query<FullRow & { readonly now: number }>(
        `select t.now, ${columns}, r.work from (select ff.now_ms() as now) t
         left join ff.schedule r on r.namespace = $1 and r.id = $2`,
        [namespace, scheduleId],
      )
      const nowMs = found?.now ?? 0
      return { nowMs, row: found === undefined || found.id === null ? undefined : toFullRow(found) }
    },

    write: (change) => (change.expected === null ? insert(ctx, change) : update(ctx, change)),

    async remove({ namespace, scheduleId, expected }) {
      const gone = await db.call(
        'delete from ff.schedule where namespace = $1 and id = $2 and version = $3 returning 1',
        [namespace, scheduleId, expected],
      )
      return gone.length > 0
    },

    async due(params) {
      const full = { table: 'schedule', columns: `${columns}, r.work` }
      const { nowMs, due, nextDueAtMs } = await readDueRows<FullRow>(ctx, full, params)
      return { nowMs, rows: due.map(toFullRow), nextDueAtMs }
    },

    async list({ namespace, after, limit }) {
      const rows = await db.query<Row>(
        `select ${columns} from ff.schedule r where r.namespace = $1
           and ($2::text is null or (r.label, r.id) > ($2::text collate "C", $3::uuid))
         order by r.label, r.id limit $4`,
        [namespace, after?.label ?? null, after?.scheduleId ?? null, limit],
      )
      return rows.map(toRow)
    },
  }
}

async function insert(ctx: PostgresContext, change: ScheduleWrite): Promise<boolean> {
  const { namespace, scheduleId, dueAtMs, progress, put } = change
  if (put === undefined) return false
  const { quota } = await ctx.partitions()
  const rows = await ctx.db.call(
    `insert into ff.schedule (partition_key, namespace, id, label, version, due_at, definition, work, progress)
     values ($1, $2, $3, $4, 1, $5, $6, $7, $8) on conflict do nothing returning 1`,
    [
      quotaPartition(namespace, scheduleId, quota),
      namespace,
      scheduleId,
      put.label,
      dueAtMs,
      put.definition,
      put.work,
      progress,
    ],
  )
  return rows.length > 0
}

async function update(ctx: PostgresContext, change: ScheduleWrite): Promise<boolean> {
  const { namespace, scheduleId, expected, dueAtMs, progress, put } = change
  const rows = await ctx.db.call(
    `update ff.schedule s set version = s.version + 1, due_at = $4, progress = $5, label = coalesce($6, s.label),
       definition = coalesce($7, s.definition), work = coalesce($8, s.work)
     where s.namespace = $1 and s.id = $2 and s.version = $3 returning 1`,
    [
      namespace,
      scheduleId,
      expected,
      dueAtMs,
      progress,
      put?.label ?? null,
      put?.definition ?? null,
      put?.work ?? null,
    ],
  )
  return rows.length > 0
}

function toRow(row: Row): ScheduleRow {
  const { namespace, id: scheduleId, label, version, due_at: dueAtMs, definition, progress } = row
  return { namespace, scheduleId, label, version, dueAtMs, definition, progress }
}

function toFullRow(row: FullRow): FullScheduleRow {
  return { ...toRow(row), work: row.work }
}
