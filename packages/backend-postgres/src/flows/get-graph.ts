import {
  checkGetGraph,
  type EdgeId,
  type EdgeView,
  engineError,
  type FlowNodeView,
  type GetGraph,
  type GroupDecision,
  limits,
  makeExecutionId,
  type Page,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import {
  type ExecutionRow,
  executionColumns,
  executionTables,
  toExecution,
} from '../executions/execution-row.js'
import { flowNotFound, partitionOf } from './flow-state.js'
import { type GroupRow, groupColumns, toGroupView } from './group-row.js'

interface EdgeRow {
  readonly id: EdgeId
  readonly upstream_id: string
  readonly downstream_id: string
  readonly as_name: string | null
  readonly state: GroupDecision
}

/** Members in the order of their acceptance, each with its incoming edges and its group, as of one moment. */
export async function getGraph(ctx: PostgresContext, params: GetGraph): Promise<Page<FlowNodeView>> {
  checkGetGraph(params)
  const partition = await partitionOf(ctx, params.flowId)
  const limit = params.limit ?? limits.pageSizeDefault
  const after = params.cursor === undefined ? 0 : readCursor(params.cursor)
  const { nodes, edges, groups } = await ctx.db.transaction(
    async (tx) => {
      const nodes = await readNodes(tx, params, partition, after, limit + 1)
      const ids = nodes.map(({ id }) => id)
      return {
        nodes,
        edges: await readEdges(tx, partition, ids),
        groups: await readGroups(tx, partition, ids),
      }
    },
    { isolation: 'repeatable read' },
  )
  const incoming = new Map<string, EdgeView[]>()
  for (const edge of edges) {
    const list = incoming.get(edge.downstream_id)
    if (list === undefined) incoming.set(edge.downstream_id, [toEdgeView(partition, edge)])
    else list.push(toEdgeView(partition, edge))
  }
  const groupOf = new Map(groups.map((group) => [group.downstream_id, toGroupView(group)]))
  const page = nodes.slice(0, limit)
  const items = await Promise.all(
    page.map(async (row) => ({
      execution: await toExecution(row, ctx.catalog),
      incoming: incoming.get(row.id) ?? [],
      group: groupOf.get(row.id) ?? null,
    })),
  )
  const last = page.at(-1)
  return { items, nextCursor: last === undefined || nodes.length <= limit ? null : `g${last.seq}` }
}

async function readNodes(tx: Executor, params: GetGraph, partition: number, after: number, limit: number) {
  const [flow] = await tx.query<{ found: boolean }>(
    'select true as found from ff.flow where partition_key = $1 and id = $2 and namespace = $3',
    [partition, params.flowId, params.namespace],
  )
  if (flow === undefined) throw flowNotFound(params.flowId)
  return tx.query<ExecutionRow & { readonly seq: number }>(
    `select ${executionColumns}, e.seq from ${executionTables} where e.flow_id = $1 and e.seq > $2 order by e.seq limit $3`,
    [params.flowId, after, limit],
  )
}

function readEdges(tx: Executor, partition: number, ids: readonly string[]) {
  return tx.query<EdgeRow>(
    `select id, upstream_id, downstream_id, as_name, state from ff.edge
     where partition_key = $1 and downstream_id = any($2::uuid[]) order by downstream_id, id`,
    [partition, ids],
  )
}

function readGroups(tx: Executor, partition: number, ids: readonly string[]) {
  return tx.query<GroupRow & { readonly downstream_id: string }>(
    `select g.downstream_id, ${groupColumns} from ff.edge_group g where g.partition_key = $1 and g.downstream_id = any($2::uuid[])`,
    [partition, ids],
  )
}

function toEdgeView(partition: number, row: EdgeRow): EdgeView {
  return {
    id: row.id,
    from: makeExecutionId(partition, row.upstream_id),
    to: makeExecutionId(partition, row.downstream_id),
    as: row.as_name,
    state: row.state,
  }
}

function readCursor(cursor: string): number {
  if (/^g\d{1,15}$/.test(cursor)) return Number(cursor.slice(1))
  throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
}
