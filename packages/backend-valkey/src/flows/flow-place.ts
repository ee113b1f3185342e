import { engineError, type FlowId, partitionOfFlow } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { orNotFound } from '../library/not-found.js'

/** Where a flow and its members live. */
export interface FlowPlace {
  readonly partition: number
  readonly tag: string
}

export async function placeOf(ctx: Pick<ValkeyContext, 'partitions'>, flowId: FlowId): Promise<FlowPlace> {
  const partition = partitionOfFlow(flowId, (await ctx.partitions()).flow)
  return { partition, tag: `fp:${partition}` }
}

export function flowNotFound(flowId: FlowId) {
  return engineError('flow_not_found', `No flow ${flowId} in this namespace`)
}

/** Gives a call that finds no flow the typed error. */
export function orFlowNotFound<T>(flowId: FlowId, call: Promise<T>): Promise<T> {
  return orNotFound(call, () => flowNotFound(flowId))
}
