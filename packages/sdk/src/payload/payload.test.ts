import { describe, expect, test } from 'vitest'
import { formatCanonicalJson, hashCanonically } from './canonical-json.js'
import { decodePayload, encodePayload, jsonCodec } from './codec.js'

describe('the canonical hash', () => {
  test('does not depend on the order of keys, at any depth', () => {
    expect(formatCanonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}')
    expect(hashCanonically({ a: 1, b: { c: 2, d: 3 } })).toBe(hashCanonically({ b: { d: 3, c: 2 }, a: 1 }))
  })

  test('depends on values, and on the order of lists', () => {
    expect(hashCanonically([1, 2])).not.toBe(hashCanonically([2, 1]))
    expect(hashCanonically({ a: '1' })).not.toBe(hashCanonically({ a: 1 }))
  })

  test('of no value is that of null', () => {
    expect(hashCanonically(undefined)).toBe(hashCanonically(null))
  })
})

describe('the JSON codec', () => {
  test.each([null, 0, '', 'ä\u2028', [1, { a: [] }], { a: null }])('reads back %j', (value) => {
    expect(decodePayload(jsonCodec, encodePayload(jsonCodec, value) as Uint8Array)).toEqual(value)
  })

  test('has no payload for no value', () => {
    expect(encodePayload(jsonCodec, undefined)).toBeNull()
    expect(decodePayload(jsonCodec, null)).toBeUndefined()
  })

  test('reads bytes that lie inside a larger buffer', () => {
    const bytes = new TextEncoder().encode('xx{"a":1}yy').subarray(2, 9)
    expect(jsonCodec.decode(bytes)).toEqual({ a: 1 })
  })
})
