import {
  type CountGrouping,
  type ExecutionFilter,
  type FlowId,
  type Namespace,
  partitionOfFlow,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { Counts } from './count.js'
import { type Position, packFilter } from './filter.js'
import { type ListedExecution, readListed } from './listed.js'
import { comesBefore } from './merge-listing.js'

/** Which members are asked for. */
export interface MembersQuery {
  readonly namespace: Namespace
  readonly flowId: FlowId
  readonly filter: ExecutionFilter
  readonly position: Position
  /** 0: only their number. */
  readonly limit: number
  /** What they are counted apart by. */
  readonly by: CountGrouping | ''
}

/** Members of a flow, newest first. They are looked at one by one: a flow is much smaller than its namespace. */
export async function listMembers(
  ctx: ValkeyContext,
  query: Omit<MembersQuery, 'by'>,
): Promise<{ readonly items: readonly ListedExecution[]; readonly isMore: boolean }> {
  const { items } = await walkMembers(ctx, { ...query, limit: query.limit + 1, by: '' })
  return { items: items.slice(0, query.limit), isMore: items.length > query.limit }
}

export async function countMembers(ctx: ValkeyContext, query: Omit<MembersQuery, 'limit'>): Promise<Counts> {
  return (await walkMembers(ctx, { ...query, limit: 0 })).counts
}

async function walkMembers(
  ctx: ValkeyContext,
  { namespace, flowId, filter, position, limit, by }: MembersQuery,
): Promise<{ readonly items: readonly ListedExecution[]; readonly counts: Counts }> {
  const partition = partitionOfFlow(flowId, (await ctx.partitions()).flow)
  let items: readonly ListedExecution[] = []
  const counts: (readonly [string, number])[] = []
  for (let from = 1; from > 0; ) {
    const { reply, bytes } = await ctx.invoke({
      name: 'executions_list_members',
      tag: `fp:${partition}`,
      args: [
        namespace,
        flowId,
        from,
        position.beforeMs,
        position.beforeId,
        filter.createdFromMs ?? 0,
        limit,
        by,
        packFilter(filter),
      ],
    })
    const [ids, groups, next] = reply
    counts.push(...asList(groups))
    items = firstOf([...items, ...readListed(partition, asList(ids), bytes)], limit)
    from = next
  }
  return { items, counts }
}

function firstOf(items: ListedExecution[], limit: number): readonly ListedExecution[] {
  return items.sort((one, other) => (comesBefore(one, other) ? -1 : 1)).slice(0, limit)
}
