import { type CancelExecution, type CancelExecutionOutcome, checkCancelExecution } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { addressOf, operate, terminalAnswer } from './operate.js'

export async function cancelExecution(
  ctx: ValkeyContext,
  params: CancelExecution,
): Promise<CancelExecutionOutcome> {
  checkCancelExecution(params, await ctx.partitions())
  const { reply } = await operate(ctx, params, {
    name: 'executions_cancel',
    args: [params.namespace, addressOf(params.id).uuid, params.graceMs ?? 0],
  })
  const [outcome, graceEndsAtMs] = reply
  if (outcome === 'cancelling') return { outcome, graceEndsAtMs: Number(graceEndsAtMs) }
  return terminalAnswer(reply) ?? { outcome: 'cancelled' }
}
