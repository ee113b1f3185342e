import {
  checkRevoke,
  type EndedBy,
  partitionIndexOf,
  type RecordedOutcome,
  type RevokeLease,
  type RevokeOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { executionNotFound } from '../executions/get.js'
import { announceEnds } from './after-end.js'
import { type FinishedRow, finishedColumnNames } from './finished-row.js'

interface FoundRow {
  readonly is_active: boolean
  readonly terminal_outcome: RecordedOutcome | 'none'
  readonly ended_by: EndedBy | null
  readonly end_op: string | null
}

/** Takes a lease away, as if it had expired now. */
export async function revokeLease(ctx: PostgresContext, params: RevokeLease): Promise<RevokeOutcome> {
  checkRevoke(params, await ctx.partitions())
  const key = [partitionIndexOf(params.id), uuidOf(params.id)]
  const taken = await ctx.db.transaction(async (tx) => {
    await tx.query('select ff.enter_barrier()')
    const [found] = await tx.query<FoundRow>(
      `select e.lifecycle_phase = 'active' as is_active, e.terminal_outcome, a.ended_by, a.end_op
       from ff.execution e join ff.lane l on l.id = e.lane_id and l.namespace = $3
       left join ff.attempt a on a.partition_key = e.partition_key and a.execution_id = e.id and a.idx = e.attempt_count - 1
       where e.partition_key = $1 and e.id = $2 for update of e`,
      [...key, params.namespace],
    )
    if (found === undefined) throw executionNotFound(params.id)
    if (!found.is_active) return found
    const [row] = await tx.query<FinishedRow>(
      `select ${finishedColumnNames.join(', ')} from ff.reclaim(array[$1::integer], array[$2::uuid], 'revocation', ff.now_ms())`,
      key,
    )
    return row
  })
  if (taken === undefined) throw executionNotFound(params.id)
  if ('is_active' in taken) {
    // What a holder put aside without an end counts as ended by it.
    const endedBy = taken.ended_by ?? (taken.end_op === null ? null : 'holder')
    return { outcome: 'execution_not_active', recorded: { endedBy, terminalOutcome: taken.terminal_outcome } }
  }
  announceEnds(ctx, [{ ...taken, was_active: true }])
  return { outcome: 'revoked', next: taken.outcome as 'reclaimable' | 'failed' | 'cancelled' }
}
