import { expect, it } from 'vitest'
import type { FlowNode } from './contract/flows.js'
import { hashGraph } from './graph-hash.js'
import { mintExecutionId } from './ids/index.js'
import { parseKind, parseLaneId } from './names.js'

const node = (fields: Partial<FlowNode> = {}): FlowNode => ({
  id: mintExecutionId(1),
  kind: parseKind('x'),
  lane: parseLaneId('default'),
  input: null,
  ...fields,
})
/** Two nodes and an edge, with ids minted anew each time. */
const hashOf = (first: Partial<FlowNode> = {}, second: Partial<FlowNode> = {}, as?: string) => {
  const nodes = [node(first), node(second)]
  return hashGraph({ nodes, edges: [{ from: nodes[0]?.id ?? node().id, to: nodes[1]?.id ?? node().id, as }] })
}

it('is the same for the same content, whatever its ids', () => {
  expect(hashOf()).toBe(hashOf())
  expect(hashOf({}, { join: {} })).toBe(
    hashOf({}, { join: { policy: { kind: 'all_of' }, runOn: 'groupSatisfied' } }),
  )
})

it.each([
  [{ kind: parseKind('y') }, {}, undefined],
  [{ lane: parseLaneId('other') }, {}, undefined],
  [{ input: Uint8Array.of(1) }, {}, undefined],
  [{ inputHash: 'abc' }, {}, undefined],
  [{ name: 'a' }, {}, undefined],
  [{}, { join: { settled: true } }, undefined],
  [
    {},
    { join: { policy: { kind: 'all_of' as const, onImpossible: 'cancel_remaining' as const } } },
    undefined,
  ],
  [{}, { join: { policy: { kind: 'quorum' as const, k: 1 } } }, undefined],
  [{}, {}, 'result'],
])('differs for other content: %j, %j, %s', (first, second, as) => {
  expect(hashOf(first, second, as)).not.toBe(hashOf())
})
