import { jsonDepthOf } from '@flowfabric/core/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

describe('the depth of a JSON text', () => {
  it('is that of its value, whatever its strings hold', () => {
    // Strings made of what could be taken for structure.
    const text = fc.string({ unit: fc.constantFrom('"', '\\', '[', '{', ']', '}', ',', 'a', '\n', '\u2028') })
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        text,
        fc.integer(),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(text, tie('value'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(value, (given) => {
        expect(jsonDepthOf(JSON.stringify(given))).toBe(depthOf(given))
        expect(jsonDepthOf(JSON.stringify(given, null, 2))).toBe(depthOf(given))
      }),
      { numRuns: 2_000, seed: 20_260_101 },
    )
  })

  it.each([
    ['', 0],
    ['1', 0],
    ['{"a":[1,{"b":2}]}', 3],
    ['"\\"[[["', 0],
    ['"', 0],
    ['["', 1],
    ['["[[[[', 1],
    ['["\\"[[[', 1],
    ['["\\\\"[[[', 4],
    ['["\\\\\\"[[[', 1],
    [']]][[', 0],
  ])('of text that is none, %j, is %i', (text, depth) => {
    expect(jsonDepthOf(text)).toBe(depth)
  })

  it('costs no more than the length of a hostile text', () => {
    const quotes = `["${'\\"'.repeat(1_000_000)}`
    const backslashes = `["${'\\'.repeat(2_000_000)}`
    const startedAt = performance.now()
    expect([jsonDepthOf(quotes), jsonDepthOf(backslashes)]).toEqual([1, 1])
    // By steps that grew with the square it would be hours.
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })
})
