import { describe, expect, it } from 'vitest'
import type { FlowEdge, FlowNode } from '../contract/flows.js'
import { isEngineError } from '../errors/index.js'
import { type ExecutionId, mintExecutionId } from '../ids/index.js'
import { parseKind, parseLaneId } from '../names.js'
import type { JoinSpec } from '../policies/join.js'
import { checkGraph, findCycle } from './graph.js'

const ids = Array.from({ length: 6 }, () => mintExecutionId(3))
const at = (index: number) => ids[index] as ExecutionId
const node = (index: number, extra: Partial<FlowNode> = {}): FlowNode => ({
  id: at(index),
  kind: parseKind('work'),
  lane: parseLaneId('default'),
  input: null,
  ...extra,
})
const edge = (from: number, to: number, as?: string): FlowEdge => ({ from: at(from), to: at(to), as })
const join = (policy: unknown): { join: JoinSpec } => ({ join: { policy: policy as never } })

function refusal(nodes: FlowNode[], edges: FlowEdge[]): unknown {
  try {
    checkGraph({ nodes, edges })
    return 'accepted'
  } catch (error) {
    if (!isEngineError(error)) throw error
    return error.code
  }
}

describe('a graph', () => {
  it('is accepted when it is a DAG with sensible joins', () => {
    const nodes = [node(0), node(1), node(2, join({ kind: 'quorum', k: 2 })), node(3)]
    expect(refusal(nodes, [edge(0, 2, 'a'), edge(1, 2, 'b'), edge(2, 3), edge(0, 3)])).toBe('accepted')
  })

  it.each([
    ['unknown_node', [node(0)], [edge(0, 1)]],
    ['self_edge', [node(0)], [edge(0, 0)]],
    ['duplicate_edge', [node(0), node(1)], [edge(0, 1), edge(0, 1)]],
    ['duplicate_id', [node(0), node(0)], []],
    ['duplicate_name', [node(0, { name: 'a' }), node(1, { name: 'a' })], []],
    ['duplicate_name', [node(0), node(1), node(2)], [edge(0, 2, 'x'), edge(1, 2, 'x')]],
    ['invalid_quorum', [node(0), node(1, join({ kind: 'quorum', k: 0 }))], [edge(0, 1)]],
    ['invalid_quorum', [node(0), node(1, join({ kind: 'quorum', k: 2 }))], [edge(0, 1)]],
    [
      'on_satisfied_not_allowed',
      [node(0), node(1, join({ kind: 'all_of', onSatisfied: 'let_run' }))],
      [edge(0, 1)],
    ],
    [
      'on_impossible_not_allowed',
      [node(0), node(1, join({ kind: 'any_of', onImpossible: 'let_run' }))],
      [edge(0, 1)],
    ],
    ['invalid_edge_policy', [node(0), node(1, join({ kind: 'most_of' }))], [edge(0, 1)]],
    ['policy_without_edges', [node(0, { join: { runOn: 'always' } })], []],
    ['cycle', [node(0), node(1), node(2)], [edge(0, 1), edge(1, 2), edge(2, 0)]],
  ] as const)('is refused as %s', (code, nodes, edges) => {
    expect(refusal([...nodes], [...edges])).toBe(code)
  })

  it('names the cycle as a path along the edges that ends where it began', () => {
    const edges = [edge(0, 1), edge(1, 2), edge(2, 3), edge(3, 1), edge(3, 4)]
    const path = findCycle(edges) as ExecutionId[]
    expect(path[0]).toBe(path.at(-1))
    expect(new Set(path)).toEqual(new Set([at(1), at(2), at(3)]))
    for (let i = 0; i + 1 < path.length; i += 1) {
      expect(edges.some(({ from, to }) => from === path[i] && to === path[i + 1])).toBe(true)
    }
  })

  it('sees a cycle that closes through existing edges', () => {
    const existing = { ids: new Set([at(0), at(1)]), names: new Set<string>(), edges: [edge(0, 1)] }
    expect(() => checkGraph({ nodes: [node(2)], edges: [edge(1, 2), edge(2, 0)] }, existing)).toThrow(/cycle/)
  })
})
