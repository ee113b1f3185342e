import {
  type CancelExecution,
  type CancelExecutionOutcome,
  checkCancelExecution,
  must,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { announceEnds, type EndFacts } from '../leases/after-end.js'
import { messagesSetting } from '../leases/call-with-claims.js'
import { type LockedExecution, lockExecution, terminalAnswer } from './locked.js'

interface Cancelled {
  readonly outcome: CancelExecutionOutcome
  readonly facts: EndFacts | undefined
  readonly leftMessages?: boolean | undefined
}

export async function cancelExecution(
  ctx: PostgresContext,
  params: CancelExecution,
): Promise<CancelExecutionOutcome> {
  checkCancelExecution(params, await ctx.partitions())
  const { outcome, facts, leftMessages } = await ctx.db.transaction(async (tx): Promise<Cancelled> => {
    const execution = await lockExecution(tx, params)
    const terminal = terminalAnswer(execution)
    if (terminal !== undefined) return { outcome: terminal, facts: undefined }
    const graceMs = params.graceMs ?? 0
    return graceMs > 0 && execution.lifecycle_phase === 'active'
      ? askToStop(tx, execution, graceMs)
      : endAsCancelled(tx, execution)
  })
  if (facts !== undefined) announceEnds(ctx, [facts], { leftMessages })
  return outcome
}

/** The first cause and the earliest end count. The holder's writes stay valid until then. */
async function askToStop(tx: Executor, execution: LockedExecution, graceMs: number): Promise<Cancelled> {
  const [row] = await tx.query<{ grace_ends_at: number; due_at: number }>(
    `update ff.execution e set grace_ends_at = least(e.grace_ends_at, n.at), cancel_cause = coalesce(e.cancel_cause, 'operator'),
       due_at = least(e.due_at, n.at)
     from (select ff.now_ms() + $3::bigint as at) n
     where e.partition_key = $1 and e.id = $2 returning e.grace_ends_at, e.due_at`,
    [execution.partition_key, execution.id, graceMs],
  )
  const { grace_ends_at, due_at } = must(row, 'the locked execution')
  return {
    outcome: { outcome: 'cancelling', graceEndsAtMs: grace_ends_at },
    facts: { ...execution, is_terminal: false, is_eligible: false, was_active: true, due_at },
  }
}

async function endAsCancelled(tx: Executor, execution: LockedExecution): Promise<Cancelled> {
  const [row] = await tx.query<{ was_active: boolean; messages: string | null }>(
    `select was_active, ${messagesSetting} as messages from ff.end_executions(array[$1::integer], array[$2::uuid], 'cancelled', 'cancel', 'ended_cancelled',
       'operator', null, ff.now_ms())`,
    [execution.partition_key, execution.id],
  )
  return {
    outcome: { outcome: 'cancelled' },
    facts: { ...execution, is_terminal: true, is_eligible: false, was_active: row?.was_active ?? false },
    leftMessages: row?.messages === 'left',
  }
}
