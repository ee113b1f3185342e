import { describe, expect, it } from 'vitest'
import type { EngineError } from './errors/index.js'
import {
  isCapability,
  isKind,
  isLaneId,
  isNamespace,
  isTagKey,
  isWorkerId,
  parseCapabilities,
  parseCapability,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseTagKey,
  parseWorkerId,
  refuseNul,
  requireFreeName,
  requireTags,
} from './names.js'

const plainNames = {
  invalid_lane_id: [parseLaneId, isLaneId],
  invalid_namespace: [parseNamespace, isNamespace],
  invalid_worker_id: [parseWorkerId, isWorkerId],
  invalid_kind: [parseKind, isKind],
} as const

describe.each(Object.entries(plainNames))('names refused with %s', (code, [parse, matches]) => {
  it.each(['a', '0', 'default', 'Mail.eu-1:high_prio', 'x'.repeat(128)])('accept %j', (text) => {
    expect(parse(text)).toBe(text)
    expect(matches(text)).toBe(true)
  })

  it.each([
    ['', 'empty'],
    ['-a', 'bad_first_character'],
    ['.a', 'bad_first_character'],
    ['é', 'bad_first_character'],
    ['a b', 'bad_character'],
    ['a/b', 'bad_character'],
    ['a\n', 'bad_character'],
    ['a\0', 'bad_character'],
    ['x'.repeat(129), 'too_long'],
    [undefined, 'not_a_text'],
    [{}, 'not_a_text'],
  ])('refuse %j', (text, fault) => {
    expect(matches(text)).toBe(false)
    expect(errorOf(() => parse(text as string))).toMatchObject({
      code,
      kind: 'validation',
      details: { fault },
    })
  })
})

describe('kinds', () => {
  it('may carry one version', () => {
    expect(parseKind('resize@2')).toBe('resize@2')
    expect(isLaneId('resize@2')).toBe(false)
    for (const text of ['resize@', '@2', 'a@1@2', 'a@ 1', `${'x'.repeat(127)}@1`])
      expect(isKind(text)).toBe(false)
    expect(errorOf(() => parseKind('resize@')).details).toMatchObject({ fault: 'bad_version' })
  })
})

describe('free names', () => {
  it('hold anything printable, up to the limit', () => {
    expect(requireFreeName('größe 1/2', 'node')).toBe('größe 1/2')
    expect(errorOf(() => requireFreeName('x'.repeat(129), 'node'))).toMatchObject({
      code: 'name_too_long',
      details: { max: 128, actual: 129, field: 'node' },
    })
    expect(errorOf(() => requireFreeName('', 'node')).code).toBe('invalid_name')
    expect(errorOf(() => requireFreeName('a\u0000b', 'node')).details).toMatchObject({ fault: 'nul_in_text' })
    expect(errorOf(() => requireFreeName('a\u001b[2J', 'node')).code).toBe('invalid_name')
    expect(errorOf(() => requireFreeName('a\ud800', 'node')).code).toBe('invalid_name')
  })
})

describe('tags', () => {
  it.each(['app.user', 'a1.b_2.3c', 'a._'])('have keys such as %j', (key) => {
    expect(parseTagKey(key)).toBe(key)
  })

  it.each([
    ['user', 'without_dot'],
    ['1a.b', 'bad_first_character'],
    ['a..b', 'bad_segment'],
    ['a.', 'bad_segment'],
    ['a.B', 'bad_character'],
    ['a.b-c', 'bad_character'],
    ['', 'empty'],
    ['ff.kind', 'reserved_prefix'],
  ])('refuse the key %j', (key, fault) => {
    expect(errorOf(() => parseTagKey(key))).toMatchObject({ code: 'invalid_tag', details: { fault } })
  })

  it("know the system's own keys", () => {
    expect(isTagKey('ff.kind')).toBe(true)
    expect(parseTagKey('fff.kind')).toBe('fff.kind')
  })

  it('are bounded in number and length', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`app.t${at}`, '']))
    expect(() => requireTags(many(32))).not.toThrow()
    expect(errorOf(() => requireTags(many(33)))).toMatchObject({
      code: 'too_many_tags',
      details: { actual: 33 },
    })
    expect(() => requireTags({ 'app.t': 'é'.repeat(128) })).not.toThrow()
    expect(errorOf(() => requireTags({ 'app.t': 'é'.repeat(129) }))).toMatchObject({
      code: 'tag_too_long',
      details: { max: 256, actual: 258, field: 'app.t' },
    })
    expect(errorOf(() => parseTagKey(`a.${'x'.repeat(127)}`)).code).toBe('tag_too_long')
    expect(errorOf(() => requireTags({ 'app.t': 'a\0' })).code).toBe('nul_in_text')
    expect(errorOf(() => requireTags({ 'app.t': 5 } as never)).code).toBe('invalid_tag')
  })
})

describe('capabilities', () => {
  it.each(['gpu', 'cuda=12.4', 'größe', '東京', '🚀'])('accept %j', (token) => {
    expect(parseCapability(token)).toBe(token)
  })

  it.each(['', 'a,b', 'a b', 'a\u00a0b', 'a\tb', '\u200b', 'a\0', '\ud800'])('refuse %j', (token) => {
    expect(isCapability(token)).toBe(false)
    expect(errorOf(() => parseCapability(token)).code).toBe('invalid_capability')
  })

  it('make a canonical set', () => {
    expect(parseCapabilities(['gpu', 'avx', 'gpu'])).toEqual(['avx', 'gpu'])
    expect(parseCapabilities([])).toEqual([])
  })

  it('are bounded in number and bytes', () => {
    const tokens = (count: number) => Array.from({ length: count }, (_, at) => `t${at}`)
    expect(parseCapabilities(tokens(256))).toHaveLength(256)
    expect(errorOf(() => parseCapabilities(tokens(257)))).toMatchObject({
      code: 'too_many_capabilities',
      details: { max: 256, actual: 257, field: 'tokens' },
    })
    expect(parseCapabilities(['é'.repeat(2_048)])).toHaveLength(1)
    expect(errorOf(() => parseCapabilities(['é'.repeat(2_048), 'a']))).toMatchObject({
      code: 'too_many_capabilities',
      details: { max: 4_096, actual: 4_098, field: 'bytes' },
    })
  })
})

describe('texts', () => {
  it('with NUL are refused', () => {
    expect(() => refuseNul('fine', 'reason')).not.toThrow()
    expect(errorOf(() => refuseNul('\0', 'reason'))).toMatchObject({
      code: 'nul_in_text',
      details: { field: 'reason' },
    })
  })
})

function errorOf(act: () => unknown): EngineError {
  try {
    act()
  } catch (error) {
    return error as EngineError
  }
  throw new Error('Nothing was thrown')
}
