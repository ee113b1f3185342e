import {
  checkGraph,
  type ExecutionId,
  engineError,
  type FlowEdge,
  type FlowNode,
  isEngineError,
  makeExecutionId,
} from '@flowfabric/core'
import type { Graph } from './graph.js'

/**
 * Refuses a graph that no server would accept: `empty_flow`, `duplicate_name`, `unknown_node`, `cycle` (with its path)
 * and so on, with the names of the nodes in the details.
 */
export function validateGraph(graph: Graph): void {
  if (graph.nodes.length === 0) throw engineError('empty_flow', `The flow ${graph.name} has no nodes`)
  const ids = new Map<string, ExecutionId>()
  const idOf = (name: string): ExecutionId => {
    const id = ids.get(name) ?? standInId(ids.size)
    ids.set(name, id)
    return id
  }
  const seen = new Set<string>()
  for (const { name } of graph.nodes) {
    if (seen.has(name)) throw engineError('duplicate_name', `Two nodes are named ${name}`, { name })
    seen.add(name)
  }
  const nodes: FlowNode[] = graph.nodes.map(({ name, kind, lane, join }) => ({
    id: idOf(name),
    name,
    kind,
    lane,
    input: null,
    join,
  }))
  const edges: FlowEdge[] = graph.edges.map(({ from, to, as }) => ({ from: idOf(from), to: idOf(to), as }))
  try {
    checkGraph({ nodes, edges })
  } catch (error) {
    const names = new Map([...ids].map(([name, id]) => [id as string, name]))
    throw isEngineError(error) ? nameNodes(error, names) : error
  }
}

/** Nodes are checked before they have ids. */
function standInId(number: number): ExecutionId {
  return makeExecutionId(0, `00000000-0000-0000-0000-${number.toString(16).padStart(12, '0')}`)
}

/** The same error with names in place of the ids that stood for them. */
function nameNodes(error: unknown, names: ReadonlyMap<string, string>): unknown {
  if (!isEngineError(error)) return error
  const rename = (value: unknown): unknown => {
    if (typeof value === 'string') return value.replace(ID_PATTERN, (id) => names.get(id) ?? id)
    return Array.isArray(value) ? value.map(rename) : value
  }
  const details = Object.fromEntries(
    Object.entries(error.details).map(([key, value]) => [key, rename(value)]),
  )
  return engineError(error.code, String(rename(error.message)), details as never, { cause: error })
}

const ID_PATTERN = /\{fp:0\}:[0-9a-f-]{36}/g
