import { checkGetFlow, type Flow, type GetFlow } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { type FlowRow, flowColumns, toFlows } from './flow-row.js'
import { flowNotFound, partitionOf } from './flow-state.js'

export async function getFlow(
  ctx: PostgresContext,
  params: GetFlow,
): Promise<{ readonly outcome: 'found'; readonly flow: Flow }> {
  checkGetFlow(params)
  const rows = await ctx.db.query<FlowRow>(
    `select ${flowColumns} from ff.flow f where f.partition_key = $1 and f.id = $2 and f.namespace = $3`,
    [await partitionOf(ctx, params.flowId), params.flowId, params.namespace],
  )
  const [flow] = await toFlows(ctx.db, rows)
  if (flow === undefined) throw flowNotFound(params.flowId)
  return { outcome: 'found', flow }
}
