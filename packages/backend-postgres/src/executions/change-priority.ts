import {
  type ChangePriority,
  checkChangePriority,
  type ExecutionTerminal,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceIfClaimable } from '../leases/after-end.js'
import { lockExecution, terminalAnswer } from './locked.js'

/** Rewrites the place in the queue; what has none yet gets it when it becomes eligible. */
export async function changePriority(
  ctx: PostgresContext,
  params: ChangePriority,
): Promise<{ readonly outcome: 'changed' } | ExecutionTerminal> {
  checkChangePriority(params, await ctx.partitions())
  const answer = await ctx.db.transaction(async (tx) => {
    const execution = await lockExecution(tx, params)
    const terminal = terminalAnswer(execution)
    if (terminal !== undefined) return terminal
    await tx.query(
      `update ff.execution e set priority = $3::integer,
         score = case when e.ready_at is null then e.score else ff.score_of(e.ready_at, $3::integer, l.ageing_ms) end
       from ff.lane l where l.id = e.lane_id and e.partition_key = $1 and e.id = $2`,
      [execution.partition_key, execution.id, params.priority],
    )
    return { outcome: 'changed' as const }
  })
  void announceIfClaimable(ctx, partitionIndexOf(params.id), uuidOf(params.id))
  return answer
}
