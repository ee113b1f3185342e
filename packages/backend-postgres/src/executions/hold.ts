import {
  checkGetExecution,
  checkHoldExecution,
  type HoldExecution,
  type HoldOutcome,
  type ReleaseExecution,
  type ReleaseOutcome,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { announceEnds, type EndFacts } from '../leases/after-end.js'
import { type LockedExecution, lockExecution, terminalAnswer } from './locked.js'

/** An operator's block, put on and lifted. It is one of three facts: the others stand beside it. */
export async function holdExecution(ctx: PostgresContext, params: HoldExecution): Promise<HoldOutcome> {
  checkHoldExecution(params, await ctx.partitions())
  return ctx.db.transaction(async (tx) => {
    const execution = await lockExecution(tx, params)
    const terminal = terminalAnswer(execution)
    if (terminal !== undefined) return terminal
    if (execution.lifecycle_phase === 'active') return { outcome: 'execution_active' }
    if (execution.held) return { outcome: 'already_held' }
    await setHeld(tx, execution, true)
    return { outcome: 'held' }
  })
}

export async function releaseExecution(
  ctx: PostgresContext,
  params: ReleaseExecution,
): Promise<ReleaseOutcome> {
  checkGetExecution(params, await ctx.partitions())
  const { outcome, facts } = await ctx.db.transaction(
    async (tx): Promise<{ readonly outcome: ReleaseOutcome; readonly facts?: EndFacts }> => {
      const execution = await lockExecution(tx, params)
      const terminal = terminalAnswer(execution)
      if (terminal !== undefined) return { outcome: terminal }
      if (!execution.held) return { outcome: { outcome: 'not_held' } }
      return { outcome: { outcome: 'released' }, facts: await setHeld(tx, execution, false) }
    },
  )
  if (facts !== undefined) announceEnds(ctx, [facts])
  return outcome
}

async function setHeld(tx: Executor, execution: LockedExecution, held: boolean): Promise<EndFacts> {
  const [row] = await tx.query<{ is_eligible: boolean; due_at: number | null }>(
    `select eligibility_state = 'eligible_now' as is_eligible, due_at
     from ff.set_blocks(array[$1::integer], array[$2::uuid], null, $3, false, false, ff.now_ms())`,
    [execution.partition_key, execution.id, held],
  )
  return {
    ...execution,
    is_terminal: false,
    is_eligible: row?.is_eligible ?? false,
    due_at: row?.due_at ?? null,
  }
}
