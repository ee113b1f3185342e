import {
  checkGetExecution,
  checkHoldExecution,
  type HoldExecution,
  type HoldOutcome,
  type ReleaseExecution,
  type ReleaseOutcome,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { addressOf, operate, terminalAnswer } from './operate.js'

/** An operator's block, put on and lifted. It is one of three facts: the others stand beside it. */
export async function holdExecution(ctx: ValkeyContext, params: HoldExecution): Promise<HoldOutcome> {
  checkHoldExecution(params, await ctx.partitions())
  const { reply } = await operate(ctx, params, {
    name: 'executions_hold',
    args: [params.namespace, addressOf(params.id).uuid],
  })
  return terminalAnswer(reply) ?? { outcome: reply[0] as 'held' | 'already_held' | 'execution_active' }
}

export async function releaseExecution(
  ctx: ValkeyContext,
  params: ReleaseExecution,
): Promise<ReleaseOutcome> {
  checkGetExecution(params, await ctx.partitions())
  const { reply } = await operate(ctx, params, {
    name: 'executions_release',
    args: [params.namespace, addressOf(params.id).uuid],
  })
  return terminalAnswer(reply) ?? { outcome: reply[0] as 'released' | 'not_held' }
}
