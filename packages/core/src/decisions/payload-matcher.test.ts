import { describe, expect, it } from 'vitest'
import type { PayloadMatcher } from '../contract/suspensions.js'
import { matchesPayload, readPayloadJson } from './payload-matcher.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const matches = (matcher: PayloadMatcher, text: string | null) =>
  matchesPayload(matcher, readPayloadJson(text === null ? null : bytes(text)))

const equals = (path: string, value: unknown): PayloadMatcher => ({ op: 'equals', path, value })
const exists = (path: string): PayloadMatcher => ({ op: 'exists', path })
const above = (path: string, value: number): PayloadMatcher => ({ op: 'above', path, value })
const below = (path: string, value: number): PayloadMatcher => ({ op: 'below', path, value })
const not = (of: PayloadMatcher): PayloadMatcher => ({ op: 'not', of })

describe('a payload matcher', () => {
  it.each([
    [equals('', 1), '1', true],
    [equals('', null), 'null', true],
    [equals('', null), null, false],
    [equals('/a', 'x'), '{"a":"x"}', true],
    [equals('/a', 'x'), '{"a":"X"}', false],
    [equals('/a/b/0', true), '{"a":{"b":[true]}}', true],
    [equals('/a~1b/m~0n', 1), '{"a/b":{"m~n":1}}', true],
    [equals('/', 1), '{"":1}', true],
    [equals('/1', 'b'), '["a","b"]', true],
    [equals('/01', 'b'), '["a","b"]', false],
    [equals('/-', 'b'), '["a","b"]', false],
    [equals('/length', 2), '["a","b"]', false],
    [equals('/0', 'a'), '"abc"', false],
    [equals('/toString', 1), '{}', false],
    [exists('/__proto__'), '{}', false],
    [exists('/__proto__'), '{"__proto__":null}', true],
    [equals('', { a: 1, b: [1, { c: null }] }), '{"b":[1,{"c":null}],"a":1}', true],
    [equals('', { a: 1 }), '{"a":1,"b":2}', false],
    [equals('', { a: 1, b: 2 }), '{"a":1}', false],
    [equals('', []), '{}', false],
    [equals('', {}), '[]', false],
    [equals('', [1, 2]), '[2,1]', false],
    [equals('/a', 1), '{"a":1.0}', true],
    [equals('/a', 9007199254740992), '{"a":9007199254740993}', true],
    [equals('/a', 0), '{"a":-0}', true],
    [equals('/a', 'é'), '{"a":"\\u00e9"}', true],
    [equals('/a', 'é'), '{"a":"e\\u0301"}', false],
    [equals('/a', 1), '{"a":2,"a":1}', true],
    [exists('/a'), '{"a":null}', true],
    [exists('/a/b'), '{"a":null}', false],
    [above('/n', 1), '{"n":1}', false],
    [above('/n', 1), '{"n":1.5}', true],
    [above('/n', 1), '{"n":"2"}', false],
    [below('/n', 1), '{"n":-1}', true],
    [below('/n', 1), '{}', false],
    [not(equals('/a', 1)), '{}', true],
    [not(exists('')), null, true],
    [{ op: 'and', of: [exists('/a'), exists('/b')] }, '{"a":1}', false],
    [{ op: 'and', of: [exists('/a'), exists('/b')] }, '{"a":1,"b":1}', true],
    [{ op: 'or', of: [exists('/a'), exists('/b')] }, '{"b":1}', true],
    [{ op: 'or', of: [exists('/a'), exists('/b')] }, '{}', false],
  ] as const satisfies readonly (readonly [PayloadMatcher, string | null, boolean])[])(
    '%j judges %s as %s',
    (matcher, payload, expected) => {
      expect(matches(matcher, payload)).toBe(expected)
    },
  )

  it.each([
    ['no JSON', bytes('{')],
    ['no UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['a byte order mark before it', Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)],
    ['nothing', bytes('')],
  ])('matches no payload that is %s, negated or not', (_, payload) => {
    const read = readPayloadJson(payload)
    expect(read.kind).toBe('opaque')
    expect(matchesPayload(exists(''), read)).toBe(false)
    expect(matchesPayload(not(exists('')), read)).toBe(false)
  })
})
