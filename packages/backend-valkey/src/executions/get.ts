import {
  checkGetExecution,
  type Execution,
  type ExecutionId,
  engineError,
  type GetExecution,
  partitionIndexOf,
  partitionTagOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { readStored, toExecution } from '../records/stored-execution.js'
import { routeOf } from '../routes/route-of.js'

export async function getExecution(
  ctx: ValkeyContext,
  params: GetExecution,
): Promise<{ readonly outcome: 'found'; readonly execution: Execution }> {
  checkGetExecution(params, await ctx.partitions())
  const { bytes } = await ctx.invoke({
    name: 'executions_get',
    tag: partitionTagOf(params.id).slice(1, -1),
    args: [uuidOf(params.id)],
  })
  const [record] = bytes
  if (record === undefined) throw executionNotFound(params.id)
  const stored = readStored(record, params.id)
  const route = await routeOf(ctx, partitionIndexOf(params.id), stored)
  if (route.namespace !== params.namespace) throw executionNotFound(params.id)
  return { outcome: 'found', execution: toExecution(params.id, stored, route) }
}

export function executionNotFound(id: ExecutionId) {
  return engineError('execution_not_found', `No execution ${id} in this namespace`, { id })
}
