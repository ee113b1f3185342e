import {
  type CancelCause,
  checkGetResults,
  type Failure,
  type GetResults,
  makeExecutionId,
  type PublicState,
  partitionIndexOf,
  type ResultOutcome,
  type TerminalOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { executionNotFound } from './get.js'

interface ResultRow {
  readonly ord: number
  readonly partition_key: number
  readonly id: string
  readonly public_state: PublicState
  readonly terminal_outcome: TerminalOutcome
  readonly cancel_cause: CancelCause | null
  readonly result: Uint8Array | null
  readonly failure: Failure | null
}

export async function getResults(
  ctx: PostgresContext,
  params: GetResults,
): Promise<{ readonly items: readonly ResultOutcome[] }> {
  const errors = checkGetResults(params, await ctx.partitions())
  const { ids, namespace } = params
  const asked = ids.filter((_, index) => errors[index] === undefined)
  const rows = await ctx.db.query<ResultRow>(
    `select a.ord::integer as ord, e.partition_key, e.id, e.public_state, e.terminal_outcome, e.cancel_cause, r.result, r.failure
     from unnest($1::integer[], $2::uuid[]) with ordinality as a (partition_key, id, ord)
     join ff.execution e on e.partition_key = a.partition_key and e.id = a.id
     join ff.lane l on l.id = e.lane_id and l.namespace = $3
     left join ff.execution_result r on e.lifecycle_phase = 'terminal' and r.partition_key = e.partition_key and r.id = e.id`,
    [asked.map(partitionIndexOf), asked.map(uuidOf), namespace],
  )
  const byPlace = new Map(rows.map((row) => [row.ord, row]))
  let place = 0
  const items = ids.map((id, index): ResultOutcome => {
    const error = errors[index]
    if (error !== undefined) return { outcome: 'error', error }
    place += 1
    const row = byPlace.get(place)
    return row === undefined ? { outcome: 'error', error: executionNotFound(id) } : toResult(row)
  })
  return { items }
}

function toResult(row: ResultRow): ResultOutcome {
  const id = makeExecutionId(row.partition_key, row.id)
  switch (row.terminal_outcome) {
    case 'none':
      return { outcome: 'pending', id, publicState: row.public_state }
    case 'success':
      return { outcome: 'success', id, result: row.result }
    default:
      return {
        outcome: row.terminal_outcome,
        id,
        failure: row.failure,
        cancelCause: row.terminal_outcome === 'cancelled' ? row.cancel_cause : null,
      }
  }
}
