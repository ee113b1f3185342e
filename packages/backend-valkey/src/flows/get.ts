import { checkGetFlow, type Flow, type GetFlow } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { describeFlow, readFlow } from './read-flow.js'

export async function getFlow(
  ctx: ValkeyContext,
  params: GetFlow,
): Promise<{ readonly outcome: 'found'; readonly flow: Flow }> {
  checkGetFlow(params)
  const { flow } = await readFlow(ctx, params.namespace, params.flowId)
  return { outcome: 'found', flow: await describeFlow(ctx, params.flowId, flow) }
}
