import {
  type AttemptRecordState,
  cutPage,
  type EndedBy,
  type FrameRange,
  limits,
  must,
  partitionIndexOf,
  type StoredFrame,
  type StreamLook,
  type StreamMode,
  type TailFrames,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { executionNotFound } from '../executions/get.js'

/** What is recorded of the stream, with one frame; or with none. */
interface LookRow {
  readonly attempt_count: number
  readonly is_terminal: boolean
  readonly idx: number
  readonly state: AttemptRecordState | null
  readonly ended_by: EndedBy | null
  readonly next_number: number
  readonly attempt_index: number
  readonly frame_number: number | null
  readonly mode: StreamMode
  readonly type: string | null
  readonly frame: Uint8Array
  readonly appended_at: number
}

/** Throws `execution_not_found`. */
export async function lookAtFrames(
  ctx: PostgresContext,
  { namespace, executionId }: Pick<TailFrames, 'namespace' | 'executionId'>,
  { attemptIndex, from, acrossAttempts, limit }: FrameRange,
): Promise<StreamLook> {
  const rows = await ctx.db.query<LookRow>(
    `select attempt_count, is_terminal, idx, state, ended_by, next_number, attempt_index, frame_number, mode, type, frame, appended_at
     from ff.look_at_frames($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      partitionIndexOf(executionId),
      uuidOf(executionId),
      namespace,
      attemptIndex,
      from,
      acrossAttempts,
      // One more tells whether there are more.
      limit + 1,
      limits.streamPageBytesMax,
    ],
  )
  if (rows.length === 0) throw executionNotFound(executionId)
  const head = must(rows[0], 'a row')
  const found = rows.flatMap(toFrame)
  const frames = cutPage(found, limit)
  return {
    attemptCount: head.attempt_count,
    isTerminal: head.is_terminal,
    attemptIndex: head.idx,
    state: head.state,
    endedBy: head.ended_by,
    nextNumber: head.next_number,
    frames,
    more: frames.length < found.length,
  }
}

function toFrame(row: LookRow): StoredFrame[] {
  if (row.frame_number === null) return []
  return [
    {
      attemptIndex: row.attempt_index,
      frameNumber: row.frame_number,
      mode: row.mode,
      type: row.type,
      frame: row.frame,
      appendedAtMs: row.appended_at,
    },
  ]
}
