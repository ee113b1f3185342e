import { describe, expect, test } from 'vitest'
import { type } from '../schema/type.js'
import { defineTask } from '../tasks/define-task.js'
import { listOf } from '../tasks/upstream.js'
import { defineFlow } from './define-flow.js'
import { formatGraph, formatMermaid } from './format-graph.js'
import type { Graph } from './graph.js'
import { allOf, anyOf, quorum } from './joins.js'
import { validateGraph } from './validate-graph.js'

const read = defineTask({ kind: 'read', input: type<string>(), handler: ({ input }) => input.length })
const sum = defineTask({ kind: 'sum', upstream: { items: listOf(read) }, handler: () => 0 })
const tidy = defineTask({ kind: 'tidy', lane: 'slow', priority: 3 })

describe('defineFlow', () => {
  test('builds a graph as data', () => {
    const flow = defineFlow('lengths', (f, input: readonly string[]) => ({
      total: f.map(input, read).join(sum),
    }))
    expect(flow.graph(['a', 'bb'])).toEqual({
      name: 'lengths',
      nodes: [
        expect.objectContaining({ name: 'read[0]', kind: 'read', lane: 'default', input: 'a' }),
        expect.objectContaining({ name: 'read[1]', kind: 'read', input: 'bb' }),
        expect.objectContaining({ name: 'sum', kind: 'sum' }),
      ],
      edges: [
        { from: 'read[0]', to: 'sum', as: 'items[0]' },
        { from: 'read[1]', to: 'sum', as: 'items[1]' },
      ],
      results: { total: 'sum' },
    })
  })

  test('says how edges are joined, and leaves the default unsaid', () => {
    const { nodes } = defineFlow('joins', (f) => {
      const a = f.node(tidy, undefined, { name: 'a' })
      const b = f.node(tidy, undefined, { name: 'b' })
      f.after(a, b).node(tidy, undefined, { name: 'plain' })
      f.after(allOf([a, b], { failFast: true })).node(tidy, undefined, { name: 'fast' })
      f.after(anyOf(a, b)).node(tidy, undefined, { name: 'any' })
      f.after(anyOf([a, b], { letRun: true, settled: true })).node(tidy, undefined, { name: 'let' })
      f.after(quorum(2, [a, b], { letAncestorsRun: true })).node(tidy, undefined, { name: 'two' })
      f.onFailure(a).node(tidy, undefined, { name: 'fallback' })
      f.finally(a, b).node(tidy, undefined, { name: 'last' })
    }).graph(undefined)
    expect(Object.fromEntries(nodes.map(({ name, join }) => [name, join]))).toEqual({
      a: undefined,
      b: undefined,
      plain: undefined,
      fast: { policy: { kind: 'all_of', onImpossible: 'cancel_remaining' } },
      any: { policy: { kind: 'any_of' } },
      let: { policy: { kind: 'any_of', onSatisfied: 'let_run' }, settled: true },
      two: { policy: { kind: 'quorum', k: 2 }, ancestors: 'let_run' },
      fallback: { runOn: 'groupImpossible' },
      last: { runOn: 'always' },
    })
  })

  test('finishes after all nodes that lead nowhere, unless it is told which', () => {
    const { edges } = defineFlow('all', (f) => {
      const a = f.node(tidy, undefined, { name: 'a' })
      f.after(a).node(tidy, undefined, { name: 'b' })
      f.node(tidy, undefined, { name: 'c' })
      f.finally().node(tidy, undefined, { name: 'last' })
    }).graph(undefined)
    expect(edges.filter(({ to }) => to === 'last').map(({ from }) => from)).toEqual(['b', 'c'])
  })

  test('takes what a node says before what its task says, and numbers nodes without names', () => {
    const { nodes } = defineFlow('names', (f) => {
      f.node(tidy)
      f.node(tidy, undefined, { lane: 'fast', deadlineMs: 5, timeouts: { queueTtlMs: 7 } })
    }).graph(undefined)
    expect(nodes).toMatchObject([
      { name: 'tidy', lane: 'slow', priority: 3 },
      { name: 'tidy-2', lane: 'fast', priority: 3, timeouts: { deadlineMs: 5, queueTtlMs: 7 } },
    ])
  })

  test('refuses a name that is taken and an input that does not fit', () => {
    const twice = defineFlow('twice', (f) => {
      f.node(tidy, undefined, { name: 'same' })
      f.node(tidy, undefined, { name: 'same' })
    })
    expect(() => twice.graph(undefined)).toThrow(expect.objectContaining({ code: 'duplicate_name' }))
    const picky = defineTask({
      kind: 'picky',
      input: {
        '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'never' }] }) },
      },
    })
    const refused = defineFlow('refused', (f) => {
      f.node(picky)
    })
    expect(() => refused.graph(undefined)).toThrow(/input of node picky is invalid: never/)
  })
})

describe('validateGraph', () => {
  const graphOf = (
    nodes: readonly string[],
    edges: readonly (readonly [string, string])[],
    join?: object,
  ): Graph => ({
    name: 'g',
    results: {},
    nodes: nodes.map((name) => ({
      name,
      kind: tidy.kind,
      lane: tidy.spec.lane,
      input: undefined,
      ...(name === 'j' && { join }),
    })),
    edges: edges.map(([from, to]) => ({ from, to })),
  })

  test('accepts what holds together', () => {
    expect(() => validateGraph(graphOf(['a', 'j'], [['a', 'j']]))).not.toThrow()
  })

  test.each([
    ['empty_flow', graphOf([], []), {}],
    ['duplicate_name', graphOf(['a', 'a'], []), { name: 'a' }],
    ['unknown_node', graphOf(['a'], [['a', 'x']]), { node: 'x' }],
    ['self_edge', graphOf(['a'], [['a', 'a']]), { node: 'a' }],
    [
      'cycle',
      graphOf(
        ['a', 'b', 'c'],
        [
          ['a', 'b'],
          ['b', 'c'],
          ['c', 'b'],
        ],
      ),
      { path: ['b', 'c', 'b'] },
    ],
    [
      'invalid_quorum',
      graphOf(['a', 'j'], [['a', 'j']], { policy: { kind: 'quorum', k: 2 } }),
      { node: 'j' },
    ],
    ['policy_without_edges', graphOf(['j'], [], { policy: { kind: 'any_of' } }), { node: 'j' }],
  ])('refuses %s, and names the nodes', (code, graph, details) => {
    expect(() => validateGraph(graph)).toThrow(
      expect.objectContaining({ code, details: expect.objectContaining(details) }),
    )
  })
})

test('a graph can be printed and drawn', () => {
  const graph = defineFlow('lengths', (f, input: readonly string[]) => {
    const parts = f.map(input, read)
    f.after(quorum(1, [parts])).node(tidy, undefined, { name: 'end' })
    f.onFailure(parts).node(tidy)
  }).graph(['a', 'b'])
  expect(formatGraph(graph)).toBe(
    [
      'lengths: 4 nodes, 4 edges',
      '  read[0] (read)',
      '  read[1] (read)',
      '    end (tidy)  ← quorum 1 of (read[0], read[1])',
      '    tidy  ← if impossible: all_of(read[0], read[1])',
    ].join('\n'),
  )
  expect(formatMermaid(graph).split('\n')).toEqual([
    'flowchart TD',
    '  n0["read[0]"]',
    '  n1["read[1]"]',
    '  n2["end"]',
    '  n3["tidy"]',
    '  n0 --> n2',
    '  n1 --> n2',
    '  n0 --> n3',
    '  n1 --> n3',
  ])
})
