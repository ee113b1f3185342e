import { type ExecutionId, engineError, partitionIndexOf, uuidOf } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

type Row = Readonly<Record<string, unknown>>

/** The rows that are stored of an execution, for people, by their tables. Of payloads there are only their sizes in bytes. */
export interface InspectedExecution {
  readonly id: ExecutionId
  readonly rows: Readonly<Record<string, readonly Row[]>>
}

/** A table, what is read of a row of it, and which of its rows are the execution's. */
type Source = readonly [table: string, row: string, where: string]

const own = 't.partition_key = $1 and t.id = $2'
const ofExecution = 't.partition_key = $1 and t.execution_id = $2'
const ofDownstream = 't.partition_key = $1 and t.downstream_id = $2'

/** In the order in which they are shown. */
const sources: readonly Source[] = [
  ['execution', 'to_jsonb(t)', own],
  ['execution_info', sized('input'), own],
  ['execution_result', sized('result'), own],
  ['route', 'to_jsonb(t)', 't.id = (select route_id from ff.execution where partition_key = $1 and id = $2)'],
  ['lane', 'to_jsonb(t)', 't.id = (select lane_id from ff.execution where partition_key = $1 and id = $2)'],
  ['attempt', 'to_jsonb(t)', ofExecution],
  ['step', sized('result'), ofExecution],
  ['suspension', 'to_jsonb(t)', ofExecution],
  ['resumption', 'to_jsonb(t)', ofExecution],
  ['waitpoint', 'to_jsonb(t)', ofExecution],
  ['signal', sized('payload'), ofExecution],
  ['child', 'to_jsonb(t)', 't.partition_key = $1 and t.parent_id = $2'],
  [
    'child_watcher',
    'to_jsonb(t)',
    `t.partition_key = $1 and t.child = format('{fp:%s}:%s', $1::integer, $2::uuid)`,
  ],
  ['stream', 'to_jsonb(t)', ofExecution],
  ['stream_summary', sized('document'), ofExecution],
  ['stream_frame', sized('frame'), ofExecution],
  ['edge_group', 'to_jsonb(t)', ofDownstream],
  ['edge', 'to_jsonb(t)', 't.partition_key = $1 and (t.upstream_id = $2 or t.downstream_id = $2)'],
  ['pending_cancel_group', 'to_jsonb(t)', ofDownstream],
  ['completion_event', 'to_jsonb(t)', ofExecution],
  ['replay_member', sized('input'), ofExecution],
]

/** A row with the length of a payload instead of the payload. */
function sized(column: string): string {
  return `to_jsonb(t) - '${column}' || jsonb_build_object('${column}_bytes', octet_length(t.${column}))`
}

const statement = sources
  .map(
    ([table, row, where], place) =>
      `select ${place} as place, '${table}' as table_name, ${row} as row from ff.${table} t where ${where}`,
  )
  .join(' union all ')

/** Reads an execution as it is stored, whatever its namespace. Throws `execution_not_found` when there is nothing of it. */
export async function inspectExecution(ctx: PostgresContext, id: ExecutionId): Promise<InspectedExecution> {
  const found = await ctx.db.query<{ table_name: string; row: Row }>(
    `select table_name, row from (${statement}) as stored order by place, row ->> 'idx', row ->> 'ordinal', (row ->> 'sequence')::bigint, (row ->> 'seq')::bigint, (row ->> 'attempt_index')::integer, (row ->> 'frame_number')::integer`,
    [partitionIndexOf(id), uuidOf(id)],
  )
  if (found.length === 0) throw engineError('execution_not_found', `Nothing is stored of ${id}`, { id })
  const rows: Record<string, Row[]> = {}
  for (const { table_name: table, row } of found) rows[table] = [...(rows[table] ?? []), row]
  return { id, rows }
}
