import type { FlowEdge, FlowNode } from '../contract/flows.js'
import { engineError } from '../errors/index.js'
import type { ExecutionId } from '../ids/index.js'
import { limits } from '../limits.js'
import type { JoinSpec } from '../policies/join.js'

/** What a flow already holds, as far as a call's graph touches it. */
export interface ExistingGraph {
  /** Members that the call's edges name. */
  readonly ids: ReadonlySet<ExecutionId>
  /** Names that are taken. */
  readonly names: ReadonlySet<string>
  /** Edges among existing members that could close a cycle, and those that would be doubled. */
  readonly edges: readonly Pick<FlowEdge, 'from' | 'to' | 'as'>[]
}

export const noExistingGraph: ExistingGraph = { ids: new Set(), names: new Set(), edges: [] }

/**
 * Refuses a graph that is not a DAG of known nodes with sensible joins. Pure; nothing is stored before it holds.
 * Throws `too_many_nodes`, `too_many_edges`, `duplicate_id`, `duplicate_name`, `unknown_node`, `self_edge`,
 * `duplicate_edge`, `invalid_quorum`, `on_satisfied_not_allowed`, `on_impossible_not_allowed`, `invalid_edge_policy`,
 * `policy_without_edges`, `cycle` (with its path).
 */
export function checkGraph(
  graph: { readonly nodes: readonly FlowNode[]; readonly edges: readonly FlowEdge[] },
  existing: ExistingGraph = noExistingGraph,
): void {
  if (graph.nodes.length > limits.nodesPerCallMax) {
    throw engineError('too_many_nodes', `${graph.nodes.length} nodes in one call`, {
      max: limits.nodesPerCallMax,
      actual: graph.nodes.length,
    })
  }
  if (graph.edges.length > limits.edgesPerCallMax) {
    throw engineError('too_many_edges', `${graph.edges.length} edges in one call`, {
      max: limits.edgesPerCallMax,
      actual: graph.edges.length,
    })
  }
  const fresh = checkNodes(graph.nodes, existing)
  const incoming = checkEdges(graph.edges, fresh, existing)
  for (const node of graph.nodes) checkJoin(node, incoming.get(node.id) ?? 0)
  const cycle = findCycle([...existing.edges, ...graph.edges])
  if (cycle) throw engineError('cycle', `the edges form a cycle: ${cycle.join(' → ')}`, { path: cycle })
}

function checkNodes(nodes: readonly FlowNode[], existing: ExistingGraph): ReadonlySet<ExecutionId> {
  const ids = new Set<ExecutionId>()
  const names = new Set<string>()
  for (const { id, name } of nodes) {
    if (ids.has(id)) throw engineError('duplicate_id', `node ${id} occurs twice`, { id })
    ids.add(id)
    if (name === undefined) continue
    if (names.has(name) || existing.names.has(name))
      throw engineError('duplicate_name', `the name ${name} occurs twice`, { name })
    names.add(name)
  }
  return ids
}

function checkEdges(
  edges: readonly FlowEdge[],
  fresh: ReadonlySet<ExecutionId>,
  existing: ExistingGraph,
): ReadonlyMap<ExecutionId, number> {
  const seen = new Set(existing.edges.map(edgeKey))
  const names = new Set(
    existing.edges.flatMap((edge) => (edge.as === undefined ? [] : [nameKey(edge.to, edge.as)])),
  )
  const incoming = new Map<ExecutionId, number>()
  for (const edge of edges) {
    for (const id of [edge.from, edge.to]) {
      if (!fresh.has(id) && !existing.ids.has(id))
        throw engineError('unknown_node', `an edge names ${id}, which is no node`, { node: id })
    }
    if (edge.from === edge.to)
      throw engineError('self_edge', `an edge leads from ${edge.from} to itself`, { node: edge.from })
    if (seen.has(edgeKey(edge)))
      throw engineError('duplicate_edge', `two edges lead from ${edge.from} to ${edge.to}`, {
        upstream: edge.from,
        downstream: edge.to,
      })
    seen.add(edgeKey(edge))
    if (edge.as !== undefined) {
      const key = nameKey(edge.to, edge.as)
      if (names.has(key))
        throw engineError('duplicate_name', `${edge.to} receives two results as ${edge.as}`, {
          name: edge.as,
        })
      names.add(key)
    }
    incoming.set(edge.to, (incoming.get(edge.to) ?? 0) + 1)
  }
  return incoming
}

const edgeKey = (edge: Pick<FlowEdge, 'from' | 'to'>) => `${edge.from}>${edge.to}`
const nameKey = (to: ExecutionId, as: string) => `${to}>${as}`

function checkJoin(node: FlowNode, n: number): void {
  const join = node.join
  if (join === undefined) return
  if (n === 0)
    throw engineError(
      'policy_without_edges',
      `node ${node.name ?? node.id} has a join but no incoming edges`,
      { node: node.id },
    )
  const policy = join.policy
  if (policy === undefined) return
  if (!['all_of', 'any_of', 'quorum'].includes(policy.kind))
    throw engineError('invalid_edge_policy', `unknown policy ${String(policy.kind)}`, { node: node.id })
  const stated = (key: string) => (policy as unknown as Record<string, unknown>)[key] !== undefined
  if (policy.kind === 'all_of' && stated('onSatisfied')) {
    throw engineError('on_satisfied_not_allowed', 'onSatisfied means nothing for all_of', { node: node.id })
  }
  if (policy.kind !== 'all_of' && stated('onImpossible')) {
    throw engineError('on_impossible_not_allowed', 'onImpossible belongs to all_of', { node: node.id })
  }
  if (policy.kind !== 'quorum' && stated('k'))
    throw engineError('invalid_edge_policy', 'k belongs to quorum', { node: node.id })
  if (policy.kind === 'quorum' && !(Number.isInteger(policy.k) && policy.k >= 1 && policy.k <= n)) {
    throw engineError('invalid_quorum', `a quorum of ${policy.k} of ${n}`, { node: node.id, k: policy.k, n })
  }
}

/** A cycle among the edges as a path that ends where it began, or nothing. Linear in the number of edges, no recursion. */
export function findCycle(edges: readonly Pick<FlowEdge, 'from' | 'to'>[]): ExecutionId[] | undefined {
  const next = new Map<ExecutionId, ExecutionId[]>()
  const indegree = new Map<ExecutionId, number>()
  for (const { from, to } of edges) {
    const list = next.get(from)
    if (list) list.push(to)
    else next.set(from, [to])
    indegree.set(to, (indegree.get(to) ?? 0) + 1)
    if (!indegree.has(from)) indegree.set(from, 0)
  }
  const free = [...indegree].filter(([, degree]) => degree === 0).map(([id]) => id)
  while (free.length > 0) {
    const id = free.pop() as ExecutionId
    indegree.delete(id)
    for (const to of next.get(id) ?? []) {
      const left = (indegree.get(to) ?? 0) - 1
      indegree.set(to, left)
      if (left === 0) free.push(to)
    }
  }
  if (indegree.size === 0) return undefined
  return walkCycle(edges, indegree)
}

/** What is left has only nodes with an upstream that is left too: walking upstream must come back to where it was. */
function walkCycle(
  edges: readonly Pick<FlowEdge, 'from' | 'to'>[],
  left: ReadonlyMap<ExecutionId, number>,
): ExecutionId[] {
  const upstream = new Map<ExecutionId, ExecutionId>()
  for (const { from, to } of edges) if (left.has(from) && left.has(to)) upstream.set(to, from)
  const path: ExecutionId[] = []
  const position = new Map<ExecutionId, number>()
  let at = [...left.keys()].find((id) => upstream.has(id)) as ExecutionId
  while (!position.has(at)) {
    position.set(at, path.length)
    path.push(at)
    at = upstream.get(at) as ExecutionId
  }
  const cycle = path.slice(position.get(at))
  return [at, ...cycle.slice(1).reverse(), at]
}

export type { JoinSpec }
