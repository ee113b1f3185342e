import { checkGetFlow, engineError, type SealFlow, type SealFlowOutcome } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { readFlowState } from './flow-letters.js'
import { orFlowNotFound, placeOf } from './flow-place.js'
import { letIn, nodesOfCallMax } from './staged-growth.js'

/** Opens a draft. Its roots are let go in batches, all of them before the answer; should this process die, by the outbox. */
export async function sealFlow(ctx: ValkeyContext, params: SealFlow): Promise<SealFlowOutcome> {
  checkGetFlow(params)
  const { namespace, flowId } = params
  const { tag } = await placeOf(ctx, flowId)
  const { reply } = await orFlowNotFound(
    flowId,
    ctx.invoke({
      name: 'flows_seal',
      tag,
      args: [namespace, flowId, nodesOfCallMax],
    }),
  )
  const [word, detail, isDone] = reply
  switch (word) {
    case 's':
      if (isDone !== true) await letIn(ctx, tag, flowId)
      return { outcome: 'sealed', graphRevision: Number(detail) }
    case 'e':
      throw engineError('empty_flow', `Draft ${flowId} has no nodes to release`)
    default: {
      const flowState = readFlowState(detail)
      const isSealed = flowState === 'open' || flowState === 'completed' || flowState === 'failed'
      return isSealed ? { outcome: 'already_sealed' } : { outcome: 'flow_not_open', flowState }
    }
  }
}
