import { type ChangePriority, checkChangePriority, type ExecutionTerminal } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { addressOf, operate, terminalAnswer } from './operate.js'

/** Changes the priority of what is not terminal; an active one keeps it for its later attempts. */
export async function changePriority(
  ctx: ValkeyContext,
  params: ChangePriority,
): Promise<{ readonly outcome: 'changed' } | ExecutionTerminal> {
  checkChangePriority(params, await ctx.partitions())
  const { reply } = await operate(ctx, params, {
    name: 'executions_change_priority',
    args: [params.namespace, addressOf(params.id).uuid, params.priority],
  })
  return terminalAnswer(reply) ?? { outcome: 'changed' }
}
