import { describe, expect, it } from 'vitest'
import { type JsonValue, mergePatch } from './merge-patch.js'

describe('a JSON merge patch', () => {
  it('changes the example document of RFC 7396 as section 3 says', () => {
    const target = {
      title: 'Goodbye!',
      author: { givenName: 'John', familyName: 'Doe' },
      tags: ['example', 'sample'],
      content: 'This will be unchanged',
    }
    const patch = {
      title: 'Hello!',
      phoneNumber: '+01-123-456-7890',
      author: { familyName: null },
      tags: ['example'],
    }
    expect(mergePatch(target, patch)).toEqual({
      title: 'Hello!',
      author: { givenName: 'John' },
      tags: ['example'],
      content: 'This will be unchanged',
      phoneNumber: '+01-123-456-7890',
    })
  })

  // Appendix A of the RFC, row by row.
  const cases: readonly (readonly [target: JsonValue, patch: JsonValue, result: JsonValue])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  it.each(cases)('makes of %j by %j: %j', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result)
  })

  it('keeps what stores are wont to lose: empty lists and objects, and members named like Object’s own', () => {
    const patch = JSON.parse(
      '{"list":[],"object":{},"__proto__":{"x":1},"constructor":{"y":{}}}',
    ) as JsonValue
    const once = mergePatch({}, patch)
    expect(JSON.stringify(mergePatch(once, patch))).toBe(JSON.stringify(patch))
    expect(JSON.stringify(mergePatch(once, JSON.parse('{"__proto__":null}')))).not.toContain('__proto__')
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  it('changes neither the document nor the patch', () => {
    const target = { a: { b: 1 } }
    const patch = { a: { b: 2 }, c: { d: null } }
    mergePatch(target, patch)
    expect(target).toEqual({ a: { b: 1 } })
    expect(patch).toEqual({ a: { b: 2 }, c: { d: null } })
  })
})
