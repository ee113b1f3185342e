import {
  type CountExecutions,
  checkCountExecutions,
  type ExecutionFilter,
  type Namespace,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { classesOf, firstPosition, matchesNothing, type Position, packFilter } from './filter.js'
import { countMembers } from './list-members.js'

/** By lane, kind and states alone it is the sum of a few counts; else executions are counted one by one. */
export async function countExecutions(
  ctx: ValkeyContext,
  params: CountExecutions,
): Promise<{ readonly outcome: 'counted'; readonly count: number }> {
  checkCountExecutions(params)
  const { namespace, filter = {} } = params
  if (matchesNothing(filter)) return { outcome: 'counted', count: 0 }
  const { flow } = await ctx.partitions()
  const { flowId } = filter
  if (flowId !== undefined) {
    const position = firstPosition(filter)
    return { outcome: 'counted', count: await countMembers(ctx, { namespace, filter, flowId, position }) }
  }
  const { lane, kind, states, ...rest } = filter
  const isByDepth = Object.values(rest).every((value) => value === undefined)
  const counts = await Promise.all(
    Array.from({ length: flow }, (_, partition) =>
      isByDepth
        ? readDepth(ctx, partition, namespace, { lane, kind, states })
        : countOneByOne(ctx, partition, namespace, filter),
    ),
  )
  return { outcome: 'counted', count: counts.reduce((sum, count) => sum + count, 0) }
}

/** How many there are in a partition, by lane, kind and states alone. */
export async function readDepth(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  filter: Pick<ExecutionFilter, 'lane' | 'kind' | 'states'>,
): Promise<number> {
  const [lane, kind, states] = packFilter(filter)
  const { reply } = await ctx.invoke({
    name: 'executions_depth',
    tag: `fp:${partition}`,
    args: [namespace, lane, kind, states],
  })
  return reply
}

async function countOneByOne(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  filter: ExecutionFilter,
): Promise<number> {
  let position: Position = firstPosition(filter)
  for (let sum = 0; ; ) {
    const { reply } = await ctx.invoke({
      name: 'executions_count',
      tag: `fp:${partition}`,
      args: [
        namespace,
        classesOf(filter),
        position.beforeMs,
        position.beforeId,
        filter.createdFromMs ?? 0,
        packFilter(filter),
      ],
    })
    const [count, beforeMs, beforeId, isEnd] = reply
    sum += count
    if (isEnd) return sum
    position = { beforeMs, beforeId }
  }
}
