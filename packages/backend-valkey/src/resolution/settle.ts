import { engineError, type FlowId, type FlowState, isEngineError } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { readFlowState } from '../flows/flow-letters.js'
import { placeOf } from '../flows/flow-place.js'
import { judgeFlow } from '../flows/get-result.js'
import { readFacts } from '../flows/read-facts.js'

const TRIES_MAX = 5

/**
 * Settles a flow in which something ended other than well: judging that takes the whole graph, which is read in several calls,
 * and written only if the flow is still as it was. Answers the new state, or nothing if there was nothing to settle. Throws
 * `contention`.
 */
export async function settleFlow(
  ctx: ValkeyContext,
  flowId: FlowId,
  entryId: string,
): Promise<FlowState | undefined> {
  const { tag } = await placeOf(ctx, flowId)
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const facts = await readFacts(ctx, flowId).catch((fault: unknown) => {
      if (isEngineError(fault, 'flow_not_found')) return undefined
      throw fault
    })
    if (facts !== undefined && !facts.isOfOneMoment) continue
    const { revision = 0, generation = 0, change = 0, members = [] } = facts ?? {}
    const judged = judgeFlow(members).state === 'completed' ? 'c' : 'f'
    const { reply } = await ctx.invoke({
      name: 'resolution_settle',
      tag,
      args: [flowId, entryId, generation, revision, change, judged],
    })
    if (reply !== 'moved') return reply === '' ? undefined : readFlowState(reply)
  }
  throw engineError('contention', `Flow ${flowId} changed while it was judged`)
}
