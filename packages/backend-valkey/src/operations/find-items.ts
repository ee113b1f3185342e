import {
  createdBefore,
  engineError,
  type FindItems,
  type FlowId,
  type FoundItems,
  makeExecutionId,
  partitionOfFlow,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { classesOf, matchesNothing, type Position, packFilter } from '../executions/filter.js'
import { listMembers } from '../executions/list-members.js'
import { type ListedExecution, readListed } from '../executions/listed.js'
import { executionFields as X } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { numberAt, textAt } from '../records/stored-execution.js'

interface Place {
  readonly partition: number
  readonly position: Position
}

/**
 * One look into one partition after the other, each from its own clock's time on backwards. Where few match, a look finds
 * none, but it ends in time.
 */
export async function findItems(ctx: ValkeyContext, params: FindItems): Promise<FoundItems> {
  const { filter, place } = params
  if (matchesNothing(filter)) return { items: [], place: null }
  const { flow } = await ctx.partitions()
  if (filter.flowId !== undefined) return findMembers(ctx, params, filter.flowId, flow)
  const { partition, position } = place === null ? beginningOf(params, 0) : readPlace(place)
  const { reply, bytes } = await ctx.invoke({
    name: 'executions_list',
    tag: `fp:${partition}`,
    args: [
      params.namespace,
      classesOf(filter),
      position.beforeMs,
      position.beforeId,
      filter.createdFromMs ?? 0,
      params.max,
      packFilter(filter, params.budgetId),
    ],
  })
  const [ids, beforeMs, beforeId, isEnd] = reply
  const items = toItems(readListed(partition, asList(ids), bytes), params)
  if (!isEnd) return { items, place: writePlace({ partition, position: { beforeMs, beforeId } }) }
  return { items, place: partition + 1 < flow ? writePlace(beginningOf(params, partition + 1)) : null }
}

async function findMembers(
  ctx: ValkeyContext,
  params: FindItems,
  flowId: FlowId,
  flowCount: number,
): Promise<FoundItems> {
  const { namespace, filter, max, place } = params
  const begin = beginningOf(params, partitionOfFlow(flowId, flowCount))
  const { partition, position } = place === null ? begin : readPlace(place)
  const { items, isMore } = await listMembers(ctx, { namespace, filter, flowId, position, limit: max })
  const last = items.at(-1)
  const next =
    last === undefined || !isMore
      ? null
      : writePlace({ partition, position: { beforeMs: last.createdAtMs, beforeId: last.uuid } })
  return { items: toItems(items, params), place: next }
}

/** Where a partition's executions begin that were created by the bound. */
function beginningOf({ filter, boundsMs }: FindItems, partition: number): Place {
  const endMs = boundOf(boundsMs, partition) + 1
  const beforeMs = Math.min(createdBefore(filter) ?? endMs, endMs)
  return { partition, position: { beforeMs, beforeId: '' } }
}

function boundOf(boundsMs: readonly number[], partition: number): number {
  return boundsMs[boundsMs.length === 1 ? 0 : partition] ?? 0
}

function toItems(listed: readonly ListedExecution[], { hasEnded, boundsMs }: FindItems): FoundItems['items'] {
  return listed.flatMap(({ partition, uuid, stored: { fields } }) => {
    const endedAtMs = numberAt(fields, X.ended)
    if (hasEnded && (endedAtMs === 0 || endedAtMs > boundOf(boundsMs, partition))) return []
    const flowId = textAt(fields, X.flow)
    return [
      {
        id: makeExecutionId(partition, uuid),
        generation: numberAt(fields, X.generation),
        flowId: flowId === '' ? null : (flowId as FlowId),
      },
    ]
  })
}

function writePlace({ partition, position: { beforeMs, beforeId } }: Place): string {
  return `${partition}.${beforeMs}.${beforeId}`
}

function readPlace(place: string): Place {
  const [, partition, beforeMs, beforeId] = /^(\d{1,5})\.(\d{1,15})\.([0-9a-f-]*)$/.exec(place) ?? []
  if (partition === undefined || beforeMs === undefined || beforeId === undefined)
    throw engineError('corruption', 'The stored place of a bulk operation does not decode', {
      subject: place,
    })
  return { partition: Number(partition), position: { beforeMs: Number(beforeMs), beforeId } }
}
