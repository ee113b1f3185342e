import {
  checkReplayExecution,
  type FlowId,
  isEngineError,
  limits,
  type ReplayExecution,
  type ReplayExecutionOutcome,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { replayFlow } from '../flows/replay.js'
import { executionNotFound, getExecution } from './get.js'
import { addressOf, operate } from './operate.js'
import { readOriginalHash } from './original-hash.js'

/** Runs an ended execution again as its next generation; a member goes the way of its flow. */
export async function replayExecution(
  ctx: ValkeyContext,
  params: ReplayExecution,
): Promise<ReplayExecutionOutcome> {
  checkReplayExecution(params, await ctx.partitions())
  const { namespace, id, input } = params
  const hash = input === undefined ? '' : await readOriginalHash(ctx, params)
  const { reply } = await operate(ctx, params, {
    name: 'executions_replay',
    args: [namespace, addressOf(id).uuid, input !== undefined, input ? 1 : 0, hash, limits.replaysMax],
    bytes: input ? [input] : [],
  })
  const [outcome, answer] = reply
  switch (outcome) {
    case 'member':
      return replayMember(ctx, params, answer as FlowId)
    case 'replayed':
      return { outcome, generation: Number(answer) }
    default:
      return { outcome: outcome as 'replay_conflict' | 'max_replays_exceeded', ids: [id] }
  }
}

async function replayMember(
  ctx: ValkeyContext,
  params: ReplayExecution,
  flowId: FlowId,
): Promise<ReplayExecutionOutcome> {
  const { namespace, id, input, reason } = params
  const inputs = input === undefined ? [] : [{ id, input }]
  const outcome = await replayFlow(ctx, { namespace, flowId, from: [id], inputs, reason }).catch((fault) => {
    // Its retention ended in between: it goes with its flow.
    throw isEngineError(fault, 'flow_not_found') ? executionNotFound(id) : fault
  })
  switch (outcome.outcome) {
    case 'replayed':
      return { outcome: 'replayed', generation: (await getExecution(ctx, params)).execution.generation }
    case 'nothing_to_replay':
      throw new Error('A member that is named is always something to replay')
    default:
      return outcome
  }
}
