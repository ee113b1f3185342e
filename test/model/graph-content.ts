import { type FlowGraph, hashInput, resolveJoin } from '@flowfabric/core'
import type { GraphContent } from './records.js'

/** What makes two submissions of a flow the same: the shape with ids replaced by positions, and the ids themselves. */
export function contentOf(graph: FlowGraph): GraphContent {
  const position = new Map(graph.nodes.map((node, index) => [node.id, index]))
  const nodes = graph.nodes.map((node) => [
    node.kind,
    node.lane,
    node.inputHash ?? hashInput(node.input),
    node.name ?? null,
    resolveJoin(node.join),
  ])
  const edges = graph.edges.map((edge) => [
    position.get(edge.from) ?? edge.from,
    position.get(edge.to) ?? edge.to,
    edge.as ?? null,
  ])
  return {
    shape: JSON.stringify([nodes, edges]),
    ids: graph.nodes.map((node) => node.id).join(),
  }
}
