import {
  checkGetExecution,
  checkHoldExecution,
  type HoldExecution,
  type HoldOutcome,
  must,
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
      const suspension =
        execution.lifecycle_phase === 'suspended' ? await lookAtSuspension(tx, execution) : undefined
      if (!execution.held && suspension?.escalated !== true) return { outcome: { outcome: 'not_held' } }
      const held = execution.held ? await setHeld(tx, execution, false) : undefined
      const facts = suspension?.escalated === true ? await resumeByOperator(tx, execution) : held
      return { outcome: { outcome: 'released' }, ...(facts === undefined ? {} : { facts }) }
    },
  )
  if (facts !== undefined) announceEnds(ctx, [facts])
  return outcome
}

interface SuspensionLook {
  readonly escalated: boolean
}

async function lookAtSuspension(
  tx: Executor,
  execution: LockedExecution,
): Promise<SuspensionLook | undefined> {
  const [row] = await tx.query<SuspensionLook>(
    'select escalated from ff.suspension where partition_key = $1 and execution_id = $2',
    [execution.partition_key, execution.id],
  )
  return row
}

async function resumeByOperator(tx: Executor, execution: LockedExecution): Promise<EndFacts> {
  const [row] = await tx.query<EndFacts>(
    `select * from ff.resume_suspended($1::integer, $2::uuid, 'operator', ff.now_ms())`,
    [execution.partition_key, execution.id],
  )
  return must(row, 'what was resumed')
}

async function setHeld(tx: Executor, execution: LockedExecution, held: boolean): Promise<EndFacts> {
  // What is suspended shows its hold once it resumes.
  if (execution.lifecycle_phase === 'suspended') {
    await tx.query('update ff.execution set held = $3 where partition_key = $1 and id = $2', [
      execution.partition_key,
      execution.id,
      held,
    ])
    return { ...execution, is_terminal: false, is_eligible: false }
  }
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
