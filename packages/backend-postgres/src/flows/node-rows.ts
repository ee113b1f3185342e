import {
  type FlowEdge,
  type FlowNode,
  hashInput,
  type LaneId,
  limits,
  mintEdgeId,
  type Namespace,
  type PartitionConfig,
  resolveJoin,
  uuidOf,
} from '@flowfabric/core'
import { namesDemands, type StoredDemands, storedDemandsOf } from '../admission/demands.js'
import type { PostgresContext } from '../db/context.js'

/** A node as `insert_members` reads it. Absent fields are SQL nulls. */
interface NodeRow {
  /** Order of acceptance. */
  o: number
  /** Place of its flow among those of the call, from 1. */
  f: number
  readonly id: string
  readonly lane: number
  readonly route: number
  readonly kind: string
  readonly name: string | undefined
  readonly priority: number
  readonly start: number | undefined
  readonly delay: number | undefined
  readonly deadline: number | undefined
  readonly ttl: number | undefined
  readonly timeout: number | undefined
  readonly reclaims: number
  readonly retention: number | undefined
  readonly tags: FlowNode['tags']
  readonly input: string | undefined
  readonly hash: string
  readonly retry: FlowNode['retry']
  readonly trace: string | undefined
  readonly demands?: StoredDemands | undefined
  /** The text of its admission key. */
  readonly line?: string | undefined
  /** Number of incoming edges; absent without a group. */
  readonly n?: number
  readonly policy?: string
  readonly k?: number | undefined
  readonly decided?: string
  readonly run?: string
  readonly settled?: boolean
  readonly shared?: boolean
  readonly ancestors?: string
}

interface EdgeRow {
  f: number
  readonly up: string
  readonly down: string
  readonly id: string
  readonly as: string | undefined
}

/** A graph made ready for the store: lanes and routes are numbers by now. */
export interface GraphRows {
  readonly nodes: readonly NodeRow[]
  readonly edges: readonly EdgeRow[]
  readonly laneIds: readonly number[]
  /** Lanes in which the graph has work at once, for hints. */
  readonly readyLanes: ReadonlyMap<LaneId, number>
}

/** Interns lanes and routes, and names the lane that has no room for another route. */
export async function toGraphRows(
  ctx: Pick<PostgresContext, 'catalog' | 'partitions'>,
  namespace: Namespace,
  nodes: readonly FlowNode[],
  edges: readonly FlowEdge[],
): Promise<GraphRows | { readonly crowdedLane: LaneId }> {
  const incoming = new Map<string, number>()
  for (const { to } of edges) incoming.set(to, (incoming.get(to) ?? 0) + 1)
  const laneIds = new Set<number>()
  const readyLanes = new Map<LaneId, number>()
  const rows: NodeRow[] = []
  const counts = await ctx.partitions()
  // All at once: unknown ones share few round trips and one load of the catalogue.
  const routes = await Promise.all(
    nodes.map((node) => {
      const { lane, kind, capabilities = [] } = node
      return ctx.catalog.ensureRoute({ namespace, lane, kind, capabilities, keyed: namesDemands(node) })
    }),
  )
  for (const [index, node] of nodes.entries()) {
    const { lane } = node
    const route = routes[index]
    if (route === undefined || route === null) return { crowdedLane: lane }
    laneIds.add(route.lane.id)
    const n = incoming.get(node.id)
    if (n === undefined) readyLanes.set(lane, (readyLanes.get(lane) ?? 0) + 1)
    rows.push({
      ...describeNode(node, rows.length),
      ...describeDemands(node, counts),
      lane: route.lane.id,
      route: route.id,
      ...(n === undefined ? {} : describeGroup(node, n)),
    })
  }
  return {
    nodes: rows,
    edges: edges.map(({ from, to, as }) => ({
      f: 1,
      up: uuidOf(from),
      down: uuidOf(to),
      id: mintEdgeId(),
      as,
    })),
    laneIds: [...laneIds],
    readyLanes,
  }
}

function describeNode(node: FlowNode, o: number) {
  const { timeouts } = node
  return {
    o,
    f: 1,
    id: uuidOf(node.id),
    kind: node.kind,
    name: node.name,
    priority: node.priority ?? 0,
    start: node.startAtMs,
    delay: node.delayMs,
    deadline: timeouts?.deadlineMs,
    ttl: timeouts?.queueTtlMs,
    timeout: timeouts?.attemptTimeoutMs,
    reclaims: node.maxReclaims ?? limits.reclaimsMax,
    retention: node.retentionMs,
    tags: node.tags,
    input: node.input === null ? undefined : toBase64(node.input),
    hash: node.inputHash ?? hashInput(node.input),
    retry: node.retry,
    trace: node.traceContext,
  }
}

function describeDemands(node: FlowNode, counts: PartitionConfig) {
  const keyed = storedDemandsOf(node, counts)
  return keyed === undefined ? {} : { demands: keyed.demands, line: keyed.admissionKey }
}

/** The join with its defaults filled in, as it is stored. */
export function describeGroup(node: Pick<FlowNode, 'join'>, n: number) {
  const { policy, runOn, settled, cancelShared, ancestors } = resolveJoin(node.join)
  return {
    n,
    policy: policy.kind,
    k: policy.kind === 'quorum' ? policy.k : undefined,
    decided: policy.kind === 'all_of' ? policy.onImpossible : policy.onSatisfied,
    run: runOn,
    settled,
    shared: cancelShared,
    ancestors,
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
