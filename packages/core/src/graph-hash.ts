import { hash } from 'node:crypto'
import type { FlowGraph } from './contract/flows.js'
import { hashInput } from './input-hash.js'
import { resolveJoin } from './policies/join.js'

/**
 * What makes a repeated submit of a flow the same, whoever minted its ids: SHA-256 in hex over its nodes and edges in
 * order, by kind, lane, input hash, name, join and `as`. Nodes stand by their place in the list.
 */
export function hashGraph(graph: FlowGraph): string {
  const places = new Map(graph.nodes.map((node, place) => [node.id, place]))
  const nodes = graph.nodes.map(({ kind, lane, name, input, inputHash, join }) => {
    const { policy, runOn, settled, cancelShared, ancestors } = resolveJoin(join)
    const decided = policy.kind === 'all_of' ? policy.onImpossible : policy.onSatisfied
    const k = policy.kind === 'quorum' ? policy.k : null
    return [
      kind,
      lane,
      inputHash ?? hashInput(input),
      name ?? null,
      [policy.kind, k, decided, runOn, settled, cancelShared, ancestors],
    ]
  })
  const edges = graph.edges.map(({ from, to, as }) => [
    places.get(from) ?? from,
    places.get(to) ?? to,
    as ?? null,
  ])
  return hash('sha256', JSON.stringify([nodes, edges]), 'hex')
}
