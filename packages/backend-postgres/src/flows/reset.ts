import { type FlowId, makePartitionTag } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { tellReady } from '../resolution/hop.js'
import { tryLockFlow } from './flow-state.js'

/** Members that one step of a replay resets. */
export const RESET_BATCH = 200

export interface ResetStep {
  readonly members: number
  readonly done: boolean
  readonly ready_lanes: readonly number[] | null
}

/** One step of a replay that goes in several. Answers how many members it reset. */
export async function advanceReset(
  ctx: PostgresContext,
  partition: number,
  flowId: FlowId,
  entryId: string,
): Promise<number> {
  const step = await ctx.db.transaction(async (tx) => {
    const flow = await tryLockFlow(tx, partition, flowId)
    if (flow?.state === 'replaying') return resetBatch(tx, partition, flowId)
    await tx.query('delete from ff.completion_event where partition_key = $1 and id = $2', [
      partition,
      entryId,
    ])
    return undefined
  })
  if (step === undefined) return 0
  if (step.done) tellReopened(ctx, partition, step)
  return step.members
}

/** The flow is open again once `done`; the caller holds its row. */
export async function resetBatch(tx: Executor, partition: number, flowId: FlowId): Promise<ResetStep> {
  const [step] = await tx.query<ResetStep>(
    'select members, done, ready_lanes from ff.advance_replay($1, $2, $3)',
    [partition, flowId, RESET_BATCH],
  )
  return step ?? { members: 0, done: true, ready_lanes: null }
}

export function tellReopened(ctx: PostgresContext, partition: number, step: ResetStep): void {
  if (ctx.hints.hasListeners) {
    tellReady(ctx, step.ready_lanes ?? [])
    ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
  }
  kickDispatch(ctx, [partition])
}
