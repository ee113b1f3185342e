import {
  deriveUuid,
  type ExecutionId,
  type FlowEdge,
  type FlowId,
  type FlowNode,
  makeExecutionId,
} from '@flowfabric/core'
import { hashCanonically } from '../payload/canonical-json.js'
import { type Codec, encodePayload } from '../payload/codec.js'
import type { Graph, GraphNode } from './graph.js'

export interface Materialisation {
  readonly codec: Codec
  /** The id of a node by its name. */
  readonly idOf: (name: string) => ExecutionId
  /** Whether content may come again with other bytes: then inputs are hashed as what they say. */
  readonly hashInputs: boolean
}

/** Gives a graph its ids and payloads: what is sent. */
export async function materialiseGraph(
  graph: Pick<Graph, 'nodes' | 'edges'>,
  to: Materialisation,
): Promise<{ readonly nodes: readonly FlowNode[]; readonly edges: readonly FlowEdge[] }> {
  const nodes: FlowNode[] = []
  for (const node of graph.nodes) {
    const encoded = encodePayload(to.codec, node.input)
    nodes.push(materialiseNode(node, encoded instanceof Promise ? await encoded : encoded, to))
  }
  const edges = graph.edges.map(({ from, to: end, as }) => ({ from: to.idOf(from), to: to.idOf(end), as }))
  return { nodes, edges }
}

function materialiseNode(node: GraphNode, input: FlowNode['input'], to: Materialisation): FlowNode {
  const inputHash = to.hashInputs ? hashCanonically(node.input) : undefined
  return { ...node, id: to.idOf(node.name), input, inputHash }
}

/** The id of a member that a flow is submitted with: it follows from the flow and the node's name. */
export function deriveMemberId(flowId: FlowId, name: string, partitionIndex: number): ExecutionId {
  return makeExecutionId(partitionIndex, deriveUuid('member', flowId, name))
}

/** The id of a member that another one adds: it follows from that one and the node's name. */
export function deriveSpawnedId(spawner: ExecutionId, name: string, partitionIndex: number): ExecutionId {
  return makeExecutionId(partitionIndex, deriveUuid('spawned', spawner, name))
}
