import {
  attemptNotFound,
  checkReadSummary,
  partitionIndexOf,
  type ReadStreamSummary,
  type StreamSummary,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { executionNotFound } from '../executions/get.js'

interface SummaryRow {
  readonly attempt_count: number
  readonly idx: number
  readonly document: Uint8Array | null
  readonly patch_count: number | null
  readonly patched_at: number | null
}

/** The document of an attempt, by default the newest. */
export async function readSummary(ctx: PostgresContext, params: ReadStreamSummary): Promise<StreamSummary> {
  checkReadSummary(params, await ctx.partitions())
  const { namespace, executionId, attemptIndex } = params
  const [row] = await ctx.db.query<SummaryRow>(
    `select x.attempt_count, x.idx, d.document, s.patch_count, s.patched_at
     from (
       select e.partition_key, e.id, e.attempt_count, coalesce($4::integer, greatest(e.attempt_count - 1, 0)) as idx
       from ff.execution e join ff.execution_info i on i.partition_key = e.partition_key and i.id = e.id
       where e.partition_key = $1 and e.id = $2 and i.namespace = $3
     ) x
     left join ff.stream s on s.partition_key = x.partition_key and s.execution_id = x.id and s.attempt_index = x.idx
     left join ff.stream_summary d on d.partition_key = x.partition_key and d.execution_id = x.id and d.attempt_index = x.idx`,
    [partitionIndexOf(executionId), uuidOf(executionId), namespace, attemptIndex ?? null],
  )
  if (row === undefined) throw executionNotFound(executionId)
  if (attemptIndex !== undefined && attemptIndex >= row.attempt_count) throw attemptNotFound(attemptIndex)
  return {
    outcome: 'summary',
    attemptIndex: row.idx,
    document: row.document ?? new TextEncoder().encode('{}'),
    patchCount: row.patch_count ?? 0,
    updatedAtMs: row.patched_at,
  }
}
