import { createHash } from 'node:crypto'
import {
  checkGetGraph,
  type EdgeId,
  type EdgeView,
  type ExecutionId,
  engineError,
  type FlowNodeView,
  formatUuid,
  type GetGraph,
  limits,
  makeExecutionId,
  type Page,
  parseEdgeId,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { unpack } from '../records/packing.js'
import { readStored, toExecution } from '../records/stored-execution.js'
import { routeOf } from '../routes/route-of.js'
import { orFlowNotFound, placeOf } from './flow-place.js'
import { edgeStateAt, readGroup, type StoredGroup, toGroupView } from './stored-group.js'

/** Nodes of one call. */
const NODES_MAX = 100

/**
 * Members in the order of their acceptance, each with its incoming edges and its group. What one call reads, a hundred
 * nodes, is as of one moment.
 */
export async function getGraph(ctx: ValkeyContext, params: GetGraph): Promise<Page<FlowNodeView>> {
  checkGetGraph(params)
  const { flowId, namespace, limit = limits.pageSizeDefault } = params
  const { partition, tag } = await placeOf(ctx, flowId)
  const start = params.cursor === undefined ? 0 : readCursor(params.cursor)
  const items: FlowNodeView[] = []
  for (let end = start; ; ) {
    const max = Math.min(limit - items.length, NODES_MAX)
    const { reply, bytes } = await orFlowNotFound(
      flowId,
      ctx.invoke({ name: 'flows_graph', tag, args: [namespace, flowId, end + 1, max] }),
    )
    const [total, rows] = reply
    const found = asList(rows)
    const nodes = found
      .filter(([, record]) => record > 0)
      .map(([id, ...places]) =>
        toNodeView(
          ctx,
          partition,
          id,
          places.map((place) => bytes[place - 1]),
        ),
      )
    items.push(...(await Promise.all(nodes)))
    end += found.length
    if (found.length === 0 || end >= total) return { items, nextCursor: null }
    if (items.length >= limit) return { items, nextCursor: `g${end}` }
  }
}

async function toNodeView(
  ctx: ValkeyContext,
  partition: number,
  uuid: string,
  [record, groupBytes, ins]: readonly (Uint8Array | undefined)[],
): Promise<FlowNodeView> {
  const id = makeExecutionId(partition, uuid)
  const stored = readStored(record ?? new Uint8Array(), id)
  const execution = toExecution(id, stored, await routeOf(ctx, partition, stored))
  const group = groupBytes === undefined ? null : readGroup(groupBytes, `the group of ${id}`)
  const edges = ins === undefined ? [] : (unpack(ins, `the upstreams of ${id}`) as readonly StoredEdge[])
  return {
    execution,
    incoming: edges.map((edge, place) => toEdgeView(partition, id, edge, group, place)),
    group: group === null ? null : toGroupView(group),
  }
}

type StoredEdge = readonly [from: string, as: string]

function toEdgeView(
  partition: number,
  to: ExecutionId,
  [uuid, as]: StoredEdge,
  group: StoredGroup | null,
  place: number,
): EdgeView {
  const from = makeExecutionId(partition, uuid)
  return {
    id: edgeIdOf(from, to),
    from,
    to,
    as: as === '' ? null : as,
    state: group === null ? 'pending' : edgeStateAt(group, place),
  }
}

const UUID_BYTES = 16

/** No edge has a record of its own: what names it follows from its ends (a version 8 UUID). */
function edgeIdOf(from: ExecutionId, to: ExecutionId): EdgeId {
  const bytes = createHash('sha256').update(`${from}>${to}`).digest().subarray(0, UUID_BYTES)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return parseEdgeId(formatUuid(bytes))
}

function readCursor(cursor: string): number {
  if (/^g\d{1,15}$/.test(cursor)) return Number(cursor.slice(1))
  throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
}
