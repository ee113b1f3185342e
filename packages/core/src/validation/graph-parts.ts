import type { FlowEdge, FlowGraph, FlowNode } from '../contract/flows.js'
import { engineError } from '../errors/engine-error.js'
import { type ExecutionId, type FlowId, partitionIndexOf } from '../ids/index.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import { type PartitionConfig, partitionOfFlow } from '../partitions/index.js'
import { type JoinSpec, runOns } from '../policies/join.js'
import { checkExecutionSpec } from './execution-spec.js'
import { checkList, checkObject, checkOptionalBoolean, checkOptionalWord } from './fields.js'
import { checkExecutionId } from './scope.js'

/**
 * Checks each node and each edge for itself: ids in the flow's partition, names, policies, bounds. How they fit
 * together is judged by `checkGraph`, with what the flow already holds.
 */
export function checkGraphParts(graph: FlowGraph, flowId: FlowId, counts: PartitionConfig): void {
  checkCount('too_many_nodes', graph.nodes, 'nodes', limits.nodesPerCallMax)
  checkCount('too_many_edges', graph.edges, 'edges', limits.edgesPerCallMax)
  const index = partitionOfFlow(flowId, counts.flow)
  for (const node of graph.nodes) checkNode(node, index, counts)
  for (const edge of graph.edges) checkEdge(edge, counts)
}

function checkCount(
  code: 'too_many_nodes' | 'too_many_edges',
  list: unknown,
  path: string,
  max: number,
): void {
  checkList(list, path, Number.POSITIVE_INFINITY)
  const { length } = list as readonly unknown[]
  if (length <= max) return
  throw engineError(code, `${length} ${path} in one call, at most ${max}`, {
    max,
    actual: length,
    field: path,
  })
}

function checkNode(node: FlowNode, index: number, counts: PartitionConfig): void {
  checkExecutionSpec(node, counts)
  checkMemberPartition(node.id, index)
  if (node.name !== undefined) requireFreeName(node.name, 'node')
  if (node.join !== undefined) checkJoinFields(node.join, node.id)
}

/** A member lives where its flow lives: nothing may be stored where no step on the flow looks. */
function checkMemberPartition(id: ExecutionId, index: number): void {
  const actualIndex = partitionIndexOf(id)
  if (actualIndex === index) return
  throw engineError(
    'partition_mismatch',
    `Member ${id} names partition ${actualIndex}, its flow lives in ${index}`,
    {
      id,
      expectedIndex: index,
      actualIndex,
    },
  )
}

function checkJoinFields(join: JoinSpec, node: ExecutionId): void {
  checkObject(join, 'join')
  checkOptionalWord(join.runOn, 'join.runOn', runOns)
  checkOptionalBoolean(join.settled, 'join.settled')
  checkOptionalBoolean(join.cancelShared, 'join.cancelShared')
  checkOptionalWord(join.ancestors, 'join.ancestors', ['cancel', 'let_run'])
  const { policy } = join as { policy?: unknown }
  if (policy === undefined) return
  if (typeof policy !== 'object' || policy === null) throw invalidEdgePolicy(node)
  for (const option of ['onSatisfied', 'onImpossible'] as const) {
    const decided = (policy as Readonly<Record<string, unknown>>)[option]
    if (decided !== undefined && decided !== 'cancel_remaining' && decided !== 'let_run')
      throw invalidEdgePolicy(node)
  }
}

function invalidEdgePolicy(node: ExecutionId) {
  return engineError('invalid_edge_policy', `The join of ${node} has a policy that does not hold together`, {
    node,
  })
}

function checkEdge(edge: FlowEdge, counts: PartitionConfig): void {
  checkObject(edge, 'edges')
  checkExecutionId(edge.from, counts)
  checkExecutionId(edge.to, counts)
  if (edge.as !== undefined) requireFreeName(edge.as, 'edge')
}
