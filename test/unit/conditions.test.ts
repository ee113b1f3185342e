import {
  type ChildEnd,
  conditionHolds,
  evidenceOf,
  type JudgedSignal,
  judgeChildEnd,
  judgeSignal,
  parseExecutionId,
  parseWaitpointId,
  type ResumeCondition,
  type SignalMatch,
  startCondition,
  type WaitpointId,
} from '@flowfabric/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const uuid = (digit: number) => `00000000-0000-4000-8000-00000000000${digit}`
const points = [1, 2, 3].map((digit) => parseWaitpointId(`{fp:0}:${uuid(digit)}`))
const kids = [7, 8].map((digit) => parseExecutionId(`{fp:1}:${uuid(digit)}`))
const ends = kids.map((id): ChildEnd => ({ id, generation: 1, outcome: 'success' }))

/** The definition, on all that came, without any state. */
function oracle(node: ResumeCondition, came: readonly (JudgedSignal | ChildEnd)[]): boolean {
  const signals = came.filter((each): each is JudgedSignal => 'sequence' in each)
  const matching = (ids: readonly WaitpointId[], match: SignalMatch | undefined) =>
    signals.filter(
      ({ waitpointId, name }) =>
        ids.includes(waitpointId) && (match?.name === undefined || match.name === name),
    )
  switch (node.kind) {
    case 'all_of':
      return node.of.every((each) => oracle(each, came))
    case 'any_of':
      return node.of.some((each) => oracle(each, came))
    case 'signal':
      return matching([node.waitpointId], node.match).length > 0
    case 'child':
      return came.some((each) => !('sequence' in each) && each.id === node.id)
    case 'count': {
      const found = matching(node.waitpointIds, node.match)
      if (node.of === 'signals') return found.length >= node.n
      const keys = found.map(({ waitpointId, source }) => (node.of === 'waitpoints' ? waitpointId : source))
      return new Set(keys).size >= node.n
    }
  }
}

const match = fc.option(fc.record({ name: fc.constantFrom('go', 'stop') }), { nil: undefined })
const condition: fc.Arbitrary<ResumeCondition> = fc.letrec<{ node: ResumeCondition }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    fc.record({ kind: fc.constant('signal' as const), waitpointId: fc.constantFrom(...points), match }),
    fc.record({ kind: fc.constant('child' as const), id: fc.constantFrom(...kids) }),
    fc.record({
      kind: fc.constant('count' as const),
      n: fc.integer({ min: 1, max: 3 }),
      of: fc.constantFrom('signals' as const, 'waitpoints' as const, 'sources' as const),
      waitpointIds: fc.subarray(points, { minLength: 1 }),
      match,
    }),
    fc.record({
      kind: fc.constantFrom('all_of' as const, 'any_of' as const),
      of: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
    }),
  ),
})).node

const arrival = fc.oneof(
  fc.record({
    waitpointId: fc.constantFrom(...points),
    name: fc.constantFrom('go', 'stop'),
    source: fc.constantFrom(null, 'ann', 'bob'),
  }),
  fc.constantFrom(...ends),
)

describe('judging one by one', () => {
  it('comes to what the definition says of all that came, and its evidence alone is enough', () => {
    fc.assert(
      fc.property(condition, fc.array(arrival, { maxLength: 8 }), (tree, told) => {
        const came: (JudgedSignal | ChildEnd)[] = []
        let state = startCondition(tree)
        expect(conditionHolds(tree, state)).toBe(false)
        for (const [index, each] of told.entries()) {
          if ('outcome' in each) {
            came.push(each)
            state = judgeChildEnd(tree, state, each).state
          } else {
            const heard = { ...each, sequence: index + 1, payload: null }
            came.push(heard)
            state = judgeSignal(tree, state, heard).state
          }
          expect(conditionHolds(tree, state)).toBe(oracle(tree, came))
        }
        if (!conditionHolds(tree, state)) return
        const evidence = evidenceOf(tree, state)
        const used = came.filter((each) =>
          'sequence' in each ? evidence.signals.includes(each.sequence) : evidence.children.includes(each),
        )
        expect(oracle(tree, used)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })
})
