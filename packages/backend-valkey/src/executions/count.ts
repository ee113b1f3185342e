import {
  type CountExecutions,
  type CountedExecutions,
  type CountGrouping,
  checkCountExecutions,
  countApart,
  type ExecutionFilter,
  type Namespace,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { publicStateLetters } from '../records/letters.js'
import { classesOf, firstPosition, matchesNothing, type Position, packFilter } from './filter.js'
import { countMembers } from './list-members.js'

/** By name, of a partition or of a part of it; one without a name where nothing is counted apart. */
export type Counts = readonly (readonly [name: string, count: number])[]

/** By lane, kind and states alone it is the sum of a few counts; else executions are counted one by one. */
export async function countExecutions(
  ctx: ValkeyContext,
  params: CountExecutions,
): Promise<CountedExecutions> {
  checkCountExecutions(params)
  const { by } = params
  const counts = await readCounts(ctx, params, by ?? '')
  const named =
    by === 'state' ? counts.map(([letter, n]) => [publicStateLetters.read(letter), n] as const) : counts
  const counted = countApart(named)
  return by === undefined ? { outcome: 'counted', count: counted.count } : counted
}

async function readCounts(
  ctx: ValkeyContext,
  { namespace, filter = {} }: CountExecutions,
  by: CountGrouping | '',
): Promise<Counts> {
  if (matchesNothing(filter)) return []
  const { flow } = await ctx.partitions()
  const { flowId } = filter
  if (flowId !== undefined)
    return countMembers(ctx, { namespace, filter, flowId, position: firstPosition(filter), by })
  const { lane, kind, states, ...rest } = filter
  const isByDepth = Object.values(rest).every((value) => value === undefined)
  const counts = await Promise.all(
    Array.from({ length: flow }, (_, partition) =>
      isByDepth
        ? readDepths(ctx, partition, namespace, { lane, kind, states }, by)
        : countOneByOne(ctx, partition, namespace, filter, by),
    ),
  )
  return counts.flat()
}

/** How many there are in a partition, by lane, kind and states alone. */
export async function readDepth(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  filter: Pick<ExecutionFilter, 'lane' | 'kind' | 'states'>,
): Promise<number> {
  return countApart(await readDepths(ctx, partition, namespace, filter, '')).count
}

async function readDepths(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  filter: Pick<ExecutionFilter, 'lane' | 'kind' | 'states'>,
  by: CountGrouping | '',
): Promise<Counts> {
  const [lane, kind, states] = packFilter(filter)
  const { reply } = await ctx.invoke({
    name: 'executions_depth',
    tag: `fp:${partition}`,
    args: [namespace, lane, kind, states, by],
  })
  return asList(reply)
}

async function countOneByOne(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  filter: ExecutionFilter,
  by: CountGrouping | '',
): Promise<Counts> {
  const counts: (readonly [string, number])[] = []
  for (let position: Position = firstPosition(filter); ; ) {
    const { reply } = await ctx.invoke({
      name: 'executions_count',
      tag: `fp:${partition}`,
      args: [
        namespace,
        classesOf(filter),
        position.beforeMs,
        position.beforeId,
        filter.createdFromMs ?? 0,
        by,
        packFilter(filter),
      ],
    })
    const [groups, beforeMs, beforeId, isEnd] = reply
    counts.push(...asList(groups))
    if (isEnd) return counts
    position = { beforeMs, beforeId }
  }
}
