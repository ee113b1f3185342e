import {
  checkExtendFlow,
  checkGraph,
  type ExecutionId,
  type ExtendFlow,
  type ExtendFlowOutcome,
  type LaneId,
  type LaneState,
  type LeaseHandle,
  makePartitionTag,
  must,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { fenceHandle } from '../leases/fence.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { type LostMember, tellEnded, tellReady } from '../resolution/hop.js'
import { readExistingGraph } from './existing-graph.js'
import { lockFlow, partitionOf } from './flow-state.js'
import { type GraphRows, toGraphRows } from './node-rows.js'
import { judgeRepeat } from './repeated-extend.js'

type Refusal = Exclude<ExtendFlowOutcome, { readonly outcome: 'extended' }>

interface GrowRow {
  readonly graph_revision: number
  readonly ready_lanes: readonly number[] | null
  readonly next_due_at: number | null
  readonly lost: readonly LostMember[] | null
}

/** Adds nodes and edges to a draft or an open flow, all or nothing. */
export async function extendFlow(ctx: PostgresContext, params: ExtendFlow): Promise<ExtendFlowOutcome> {
  const counts = await ctx.partitions()
  const handle = checkExtendFlow(params, counts)
  const { flowId, namespace } = params
  await ctx.demands.require(namespace, params.nodes)
  const partition = await partitionOf(ctx, flowId)
  // Lanes and routes are made outside the step: they exist from their first use, and holding them up helps nobody.
  const rows = await toGraphRows(ctx, namespace, params.nodes, params.edges)
  const { refusal, grown } = await ctx.db.transaction(async (tx) => {
    const refusal = await findRefusal(ctx, tx, params, handle, rows)
    if (refusal !== undefined) return { refusal, grown: undefined }
    return { refusal: undefined, grown: await grow(tx, partition, params, rows as GraphRows) }
  })
  if (refusal !== undefined) return refusal
  tellReady(ctx, grown.ready_lanes ?? [])
  tellEnded(ctx, grown.lost ?? [])
  const tag = makePartitionTag('flow', partition)
  ctx.hints.emit({ type: 'events', partition: tag })
  if (grown.next_due_at !== null) ctx.hints.emit({ type: 'due', partition: tag, dueAtMs: grown.next_due_at })
  kickDispatch(ctx, [partition])
  return { outcome: 'extended', graphRevision: grown.graph_revision }
}

/** In the documented order; takes the flow's lock first, so that what is found stays so. */
async function findRefusal(
  ctx: PostgresContext,
  tx: Executor,
  params: ExtendFlow,
  handle: LeaseHandle | undefined,
  rows: GraphRows | { readonly crowdedLane: LaneId },
): Promise<Refusal | undefined> {
  const { flowId, namespace, expectedRevision } = params
  const partition = await partitionOf(ctx, flowId)
  const flow = await lockFlow(tx, { partition, flowId, namespace })
  const fenced = handle === undefined ? undefined : await fenceHandle(tx, [namespace], handle)
  if (fenced !== undefined) return fenced
  const repeat = await judgeRepeat(tx, partition, params)
  if (repeat === 'duplicate') return { outcome: 'duplicate', graphRevision: flow.graph_revision }
  if (repeat === 'conflict') return { outcome: 'execution_conflict' }
  if (flow.state !== 'open' && flow.state !== 'draft')
    return { outcome: 'flow_not_open', flowState: flow.state }
  if (expectedRevision !== undefined && expectedRevision !== flow.graph_revision) {
    return { outcome: 'graph_revision_mismatch', graphRevision: flow.graph_revision }
  }
  const existing = await readExistingGraph(tx, partition, params)
  checkGraph(params, existing)
  const decided = await findDecided(tx, partition, params)
  if (decided.length > 0) return { outcome: 'edge_group_decided', ids: decided }
  const closed = await findClosedLane(tx, params)
  if (closed !== undefined)
    return { outcome: 'lane_not_accepting', lane: closed.lane, laneState: closed.state }
  return 'crowdedLane' in rows ? { outcome: 'too_many_routes', lane: rows.crowdedLane } : undefined
}

/** Existing nodes that take no more edges: ended, claimed in this generation, or let go by a group that has decided. */
async function findDecided(
  tx: Executor,
  partition: number,
  { nodes, edges }: ExtendFlow,
): Promise<readonly ExecutionId[]> {
  const targets = existingTargets(nodes, edges)
  if (targets.length === 0) return []
  const rows = await tx.query<{ id: string }>(
    `select x.id from ff.execution x
       left join ff.edge_group g on g.partition_key = x.partition_key and g.downstream_id = x.id
     where x.partition_key = $1 and x.id = any($2::uuid[])
       and (x.lifecycle_phase = 'terminal' or x.epoch > x.generation_epoch or g.state <> 'pending')`,
    [partition, targets.map(uuidOf)],
  )
  const decided = new Set(rows.map(({ id }) => id))
  return targets.filter((id) => decided.has(uuidOf(id)))
}

async function findClosedLane(tx: Executor, { namespace, nodes }: ExtendFlow) {
  const names = [...new Set(nodes.map(({ lane }) => lane))]
  const [row] = await tx.query<{ lane: (typeof names)[number]; state: LaneState }>(
    `select name as lane, state from ff.lane
     where namespace = $1 and name = any($2::text[]) and state in ('draining', 'disabled')
     order by array_position($2::text[], name) limit 1`,
    [namespace, names],
  )
  return row
}

async function grow(tx: Executor, partition: number, params: ExtendFlow, rows: GraphRows): Promise<GrowRow> {
  const targets = existingTargets(params.nodes, params.edges)
  const [grown] = await tx.query<GrowRow>(
    'select graph_revision, ready_lanes, next_due_at, lost from ff.grow_flow($1, $2, $3::uuid[], $4::json, $5::json)',
    [partition, params.flowId, targets.map(uuidOf), JSON.stringify(rows.nodes), JSON.stringify(rows.edges)],
  )
  return must(grown, 'the answer to an extend')
}

function existingTargets(nodes: ExtendFlow['nodes'], edges: ExtendFlow['edges']): readonly ExecutionId[] {
  const fresh = new Set(nodes.map(({ id }) => id))
  return [...new Set(edges.map(({ to }) => to).filter((id) => !fresh.has(id)))]
}
