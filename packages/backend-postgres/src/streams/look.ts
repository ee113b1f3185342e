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

const ofOneAttempt = 'f.attempt_index = x.idx and f.frame_number >= $5'
const ofThisAndLater = '(f.attempt_index, f.frame_number) >= (x.idx, $5)'

/**
 * Of the execution `$1`, `$2` in the namespace `$3`: the attempt `$4` (null: the newest) and its frames from `$5` on, one more
 * than `$6`, and one more than fit into `$7` bytes. One statement, so that all of it is as of one moment.
 */
const statementOf = (frames: string) => `
  with x as (
    select e.partition_key, e.id, e.attempt_count, e.lifecycle_phase = 'terminal' as is_terminal,
      coalesce($4::integer, greatest(e.attempt_count - 1, 0)) as idx, e.lifecycle_phase = 'active' as is_active
    from ff.execution e join ff.execution_info i on i.partition_key = e.partition_key and i.id = e.id
    where e.partition_key = $1 and e.id = $2 and i.namespace = $3
  )
  select x.attempt_count, x.is_terminal, x.idx,
    case when x.is_active and x.idx = x.attempt_count - 1 then 'started' else a.state::text end as state,
    case when not (x.is_active and x.idx = x.attempt_count - 1) then a.ended_by end as ended_by,
    coalesce(s.next_number, 0) as next_number,
    f.attempt_index, f.frame_number, f.mode, f.type, f.frame, f.appended_at
  from x
  left join ff.attempt a on a.partition_key = x.partition_key and a.execution_id = x.id and a.idx = x.idx and x.idx < x.attempt_count
  left join ff.stream s on s.partition_key = x.partition_key and s.execution_id = x.id and s.attempt_index = x.idx
  left join lateral (
    select p.* from (
      select f.*, sum(octet_length(f.frame)) over (order by f.attempt_index, f.frame_number) - octet_length(f.frame) as before
      from (
        select f.* from ff.stream_frame f where f.partition_key = x.partition_key and f.execution_id = x.id and ${frames}
        order by f.attempt_index, f.frame_number limit $6::integer + 1
      ) f
    ) p where p.before <= $7::bigint
  ) f on true
  order by f.attempt_index, f.frame_number`

const statements = { one: statementOf(ofOneAttempt), later: statementOf(ofThisAndLater) }

/** Throws `execution_not_found`. */
export async function lookAtFrames(
  ctx: PostgresContext,
  { namespace, executionId }: Pick<TailFrames, 'namespace' | 'executionId'>,
  { attemptIndex, from, acrossAttempts, limit }: FrameRange,
): Promise<StreamLook> {
  const rows = await ctx.db.query<LookRow>(acrossAttempts ? statements.later : statements.one, [
    partitionIndexOf(executionId),
    uuidOf(executionId),
    namespace,
    attemptIndex,
    from,
    limit,
    limits.streamPageBytesMax,
  ])
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
