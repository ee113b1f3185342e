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
  readonly patch_count: number
  readonly patched_at: number | null
}

/** The document of an attempt, by default the newest. */
export async function readSummary(ctx: PostgresContext, params: ReadStreamSummary): Promise<StreamSummary> {
  checkReadSummary(params, await ctx.partitions())
  const { namespace, executionId, attemptIndex } = params
  const [row] = await ctx.db.query<SummaryRow>(
    'select attempt_count, idx, document, patch_count, patched_at from ff.read_stream_summary($1, $2, $3, $4)',
    [partitionIndexOf(executionId), uuidOf(executionId), namespace, attemptIndex ?? null],
  )
  if (row === undefined) throw executionNotFound(executionId)
  if (attemptIndex !== undefined && attemptIndex >= row.attempt_count) throw attemptNotFound(attemptIndex)
  return {
    outcome: 'summary',
    attemptIndex: row.idx,
    document: row.document ?? new TextEncoder().encode('{}'),
    patchCount: row.patch_count,
    updatedAtMs: row.patched_at,
  }
}
