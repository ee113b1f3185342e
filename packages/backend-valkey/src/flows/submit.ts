import {
  checkGraph,
  checkSubmitFlow,
  partitionOfFlow,
  type SubmitFlow,
  type SubmitFlowOutcome,
} from '@flowfabric/core'
import { requireDemands } from '../admission/require-demands.js'
import type { ValkeyContext } from '../context.js'
import type { IdempotencyKeys } from '../idempotency/keys.js'
import { type AcceptReply, createAccept, type FlowSubmission, headOf } from './accept.js'
import { contentOf, type FlowContent } from './flow-content.js'
import { submitUnderKey } from './keyed-submit.js'
import { packGraph } from './pack-graph.js'

/** Accepts whole graphs; those of one tick and partition share calls. */
export function createFlowSubmitter(
  ctx: ValkeyContext,
  keys: IdempotencyKeys,
): (params: SubmitFlow) => Promise<SubmitFlowOutcome> {
  const accept = createAccept(ctx)
  return async (params) => {
    const { flow: count } = await checked(ctx, params)
    await requireDemands(ctx, params.namespace, params.nodes)
    checkGraph(params)
    const content = contentOf(params)
    const submission: FlowSubmission = {
      tag: `fp:${partitionOfFlow(params.flowId, count)}`,
      flowId: params.flowId,
      head: headOf(params, content),
      content,
      nodes: packGraph(ctx, params.namespace, params).nodes,
      notAfterMs: 0,
    }
    const submit = async (notAfterMs: number) =>
      toOutcome(params, content, await accept({ ...submission, notAfterMs }))
    if (params.idempotencyKey !== undefined) return submitUnderKey(ctx, keys, params, content, submit)
    const outcome = await submit(0)
    // Only a key sets a time.
    return outcome === 'stale' ? { outcome: 'flow_conflict' } : outcome
  }
}

async function checked(ctx: ValkeyContext, params: SubmitFlow) {
  const counts = await ctx.partitions()
  checkSubmitFlow(params, counts)
  return counts
}

function toOutcome(
  { flowId, namespace }: SubmitFlow,
  content: FlowContent,
  reply: AcceptReply,
): SubmitFlowOutcome | 'stale' {
  switch (reply.kind) {
    case 'accepted':
      return { outcome: 'accepted', flowId, graphRevision: 1 }
    case 'taken': {
      const isSame =
        reply.namespace === namespace &&
        reply.content.shape === content.shape &&
        reply.content.ids === content.ids
      return isSame ? { outcome: 'duplicate', flowId } : { outcome: 'flow_conflict' }
    }
    case 'conflict':
      return { outcome: 'flow_conflict' }
    case 'lane_closed':
      return { outcome: 'lane_not_accepting', lane: reply.lane, laneState: reply.state }
    case 'too_many_routes':
      return { outcome: 'too_many_routes', lane: reply.lane }
    case 'stale':
      return 'stale'
  }
}
