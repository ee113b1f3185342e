import {
  checkGraph,
  type ExecutionId,
  type ExistingGraph,
  edgeStateFor,
  type FlowGraph,
  type FlowNode,
  type LaneId,
  type LaneState,
  must,
  outcomeBucket,
  parseEdgeId,
  resolveJoin,
} from '@flowfabric/core'
import { createExecution } from './creation.js'
import { isTerminal, recordedOutcomeOf } from './facts.js'
import { judgeGroups } from './groups.js'
import { findClosedLane, findCrowdedLane } from './lane-records.js'
import type { EdgeRecord, FlowRecord } from './records.js'
import type { Model } from './store.js'
import { makeRunnable } from './transition.js'

/** Adding nodes and edges to a flow: how `submit` and `extend` write. */

export type GrowthRefusal =
  | { readonly outcome: 'lane_not_accepting'; readonly lane: LaneId; readonly laneState: LaneState }
  | { readonly outcome: 'too_many_routes'; readonly lane: LaneId }

/** Throws what is wrong with the graph as data, together with what the flow holds. */
export function checkGrowth(model: Model, flow: FlowRecord | null, graph: FlowGraph): void {
  if (flow === null) {
    checkGraph(graph)
    return
  }
  const names = flow.members.flatMap((id) => model.executions.get(id)?.name ?? [])
  const existing: ExistingGraph = {
    ids: new Set(flow.members),
    names: new Set(names),
    edges: flow.edges.map(({ from, to, as }) => ({ from, to, as: as ?? undefined })),
  }
  checkGraph(graph, existing)
}

export function refuseGrowth(
  model: Model,
  namespace: FlowRecord['namespace'],
  nodes: readonly FlowNode[],
): GrowthRefusal | undefined {
  const lanes = nodes.map((node) => node.lane)
  const closed = findClosedLane(model, namespace, lanes)
  if (closed !== undefined) return { outcome: 'lane_not_accepting', ...closed }
  const crowded = findCrowdedLane(model, namespace, nodes)
  return crowded === undefined ? undefined : { outcome: 'too_many_routes', lane: crowded }
}

/** Existing nodes that take no more edges: ended, claimed in this generation, or let go by a group that has decided. */
export function decidedTargets(model: Model, flow: FlowRecord, graph: FlowGraph): ExecutionId[] {
  const fresh = new Set(graph.nodes.map((node) => node.id))
  const targets = new Set(graph.edges.map((edge) => edge.to).filter((id) => !fresh.has(id)))
  return [...targets].filter((id) => {
    const x = must(model.executions.get(id), `member ${id}`)
    const group = flow.groups.get(id)
    return isTerminal(x) || x.claimed || (group !== undefined && group.state !== 'pending')
  })
}

/** Writes the nodes and edges. All checks are over; nothing here refuses. */
export function grow(model: Model, flow: FlowRecord, graph: FlowGraph): void {
  const joined = new Set(graph.edges.map((edge) => edge.to))
  const fresh = new Set(graph.nodes.map((node) => node.id))
  // Existing nodes wait again before anything new can be counted for them.
  for (const id of joined) if (!fresh.has(id)) blockAgain(model, flow, id)
  for (const node of graph.nodes) {
    const hasUpstreams = joined.has(node.id)
    if (hasUpstreams) addGroup(flow, node.id, node.join)
    createExecution(model, flow.namespace, node, { flow, name: node.name ?? null, hasUpstreams })
  }
  const added = graph.edges.map((edge) => addEdge(model, flow, edge))
  if (flow.state === 'draft') return
  for (const edge of added) countUpstream(model, edge)
  judgeGroups(
    model,
    [...joined].map((id) => ({ flow, group: must(flow.groups.get(id), `the group of ${id}`) })),
  )
}

function blockAgain(model: Model, flow: FlowRecord, id: ExecutionId): void {
  const x = must(model.executions.get(id), `member ${id}`)
  if (!flow.groups.has(id)) addGroup(flow, id, undefined)
  if (x.blockedByDependencies) return
  x.blockedByDependencies = true
  makeRunnable(model, x, x.state.attemptState)
}

function addGroup(flow: FlowRecord, node: ExecutionId, spec: FlowNode['join']): void {
  const join = resolveJoin(spec)
  flow.groups.set(node, {
    node,
    join,
    storedPolicy: join.policy.kind,
    state: 'pending',
    released: false,
    cancelReason: null,
    siblingCancel: null,
  })
}

function addEdge(model: Model, flow: FlowRecord, edge: FlowGraph['edges'][number]): EdgeRecord {
  const record: EdgeRecord = {
    id: parseEdgeId(model.random.uuid()),
    from: edge.from,
    to: edge.to,
    as: edge.as ?? null,
    state: 'pending',
    bucket: null,
    seen: null,
  }
  flow.edges.push(record)
  return record
}

/** An edge from an upstream that has ended is born resolved. */
function countUpstream(model: Model, edge: EdgeRecord): void {
  const upstream = must(model.executions.get(edge.from), `member ${edge.from}`)
  if (!isTerminal(upstream)) return
  edge.state = edgeStateFor(recordedOutcomeOf(upstream))
  edge.bucket = outcomeBucket(recordedOutcomeOf(upstream))
}
