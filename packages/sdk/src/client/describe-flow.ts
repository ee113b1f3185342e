import type { FlowEdge, FlowId, FlowNode } from '@flowfabric/core'
import type { FlowDefinition } from '../flows/define-flow.js'
import type { Graph } from '../flows/graph.js'
import { deriveMemberId, materialiseGraph } from '../flows/materialise-graph.js'
import { validateGraph } from '../flows/validate-graph.js'
import type { Codec } from '../payload/codec.js'

export interface DescribedFlow {
  readonly graph: Graph
  /** The nodes and edges as they are sent, once all inputs are checked. */
  materialise(hashInputs: boolean): Promise<{
    readonly nodes: readonly FlowNode[]
    readonly edges: readonly FlowEdge[]
  }>
}

/** The graph of a definition for an input, its members named by the flow's id. Throws where the input does not fit. */
export function describeFlow<Input>(
  codec: Codec,
  definition: FlowDefinition<Input, unknown>,
  input: Input,
  flowId: FlowId,
  partitionIndex: number,
): DescribedFlow {
  const { graph, checks } = definition.plan(input)
  validateGraph(graph)
  return {
    graph,
    async materialise(hashInputs) {
      await Promise.all(checks)
      const ids = new Map(graph.nodes.map(({ name }) => [name, deriveMemberId(flowId, name, partitionIndex)]))
      const idOf = (name: string) => ids.get(name) ?? deriveMemberId(flowId, name, partitionIndex)
      return materialiseGraph(graph, { codec, idOf, hashInputs })
    },
  }
}
