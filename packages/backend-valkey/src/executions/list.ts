import {
  checkListExecutions,
  type Execution,
  type ExecutionFilter,
  type ListExecutions,
  limits,
  type Namespace,
  type Page,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { classesOf, matchesNothing, type Position, packFilter, positionOf, writeCursor } from './filter.js'
import { listMembers } from './list-members.js'
import { type ListedExecution, readListed, toExecutions } from './listed.js'
import { type ListingSource, mergeListings } from './merge-listing.js'

/**
 * Newest first: each partition's listing, merged. The cursor is the key of the last one told, which never changes: what
 * existed when the listing began is neither skipped nor told twice.
 */
export async function listExecutions(ctx: ValkeyContext, params: ListExecutions): Promise<Page<Execution>> {
  checkListExecutions(params)
  const { namespace, cursor, filter = {}, limit = limits.pageSizeDefault } = params
  const position = positionOf(cursor, filter)
  if (matchesNothing(filter)) return { items: [], nextCursor: null }
  const { flow } = await ctx.partitions()
  const { items, isMore } =
    filter.flowId === undefined
      ? await mergeListings(
          Array.from({ length: flow }, (_, partition) =>
            createSource(ctx, partition, namespace, filter, position),
          ),
          limit,
        )
      : await listMembers(ctx, { namespace, filter, flowId: filter.flowId, position, limit })
  const last = items.at(-1)
  return {
    items: await toExecutions(ctx, items),
    nextCursor:
      last === undefined || !isMore ? null : writeCursor({ beforeMs: last.createdAtMs, beforeId: last.uuid }),
  }
}

/** Each look goes on where the one before has come to, whether or not it found anything. */
function createSource(
  ctx: ValkeyContext,
  partition: number,
  namespace: Namespace,
  filter: ExecutionFilter,
  start: Position,
): ListingSource<ListedExecution> {
  let position = start
  return async (want) => {
    const { reply, bytes } = await ctx.invoke({
      name: 'executions_list',
      tag: `fp:${partition}`,
      args: [
        namespace,
        classesOf(filter),
        position.beforeMs,
        position.beforeId,
        filter.createdFromMs ?? 0,
        want,
        packFilter(filter),
      ],
    })
    const [ids, beforeMs, beforeId, isEnd] = reply
    position = { beforeMs, beforeId }
    return { items: readListed(partition, asList(ids), bytes), isEnd }
  }
}
