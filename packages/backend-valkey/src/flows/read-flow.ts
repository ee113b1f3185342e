import type { Flow, FlowId, FlowSummary, Namespace } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { orFlowNotFound, placeOf } from './flow-place.js'
import { readFacts } from './read-facts.js'
import { readStoredFlow, type StoredFlow, toFlow } from './stored-flow.js'
import { hasStarted, summarize } from './summarize.js'

/** A flow's record, and the result that a cancel of the flow alone left. */
export interface FlowReading {
  readonly flow: StoredFlow
  /** JSON. */
  readonly frozen: Uint8Array | null
}

/** Throws `flow_not_found`. */
export async function readFlow(
  ctx: ValkeyContext,
  namespace: Namespace,
  flowId: FlowId,
): Promise<FlowReading> {
  const { tag } = await placeOf(ctx, flowId)
  const { reply, bytes } = await orFlowNotFound(
    flowId,
    ctx.invoke({ name: 'flows_get', tag, args: [namespace, flowId] }),
  )
  const [core, summary, frozen] = reply.map((place) => bytes[place - 1] ?? null)
  return {
    flow: readStoredFlow(core ?? new Uint8Array(), summary ?? null, flowId),
    frozen: frozen ?? null,
  }
}

/** The record with its newest summary; one that was never projected is counted now. */
export async function describeFlow(ctx: ValkeyContext, flowId: FlowId, flow: StoredFlow): Promise<Flow> {
  return toFlow(flowId, flow, flow.summary ?? (await summarizeNow(ctx, flowId, flow)))
}

async function summarizeNow(ctx: ValkeyContext, flowId: FlowId, flow: StoredFlow): Promise<FlowSummary> {
  const members = hasStarted(flow) ? (await readFacts(ctx, flowId)).members : null
  return summarize(flow, members, null)
}
