import { describe, expect, test } from 'vitest'
import { deriveUuid } from './derive-uuid.js'
import { isUuid } from './uuid.js'

describe('a derived UUID', () => {
  test('follows from its parts alone', () => {
    expect(isUuid(deriveUuid('a', 'b'))).toBe(true)
    expect(deriveUuid('a', 'b')).toBe(deriveUuid('a', 'b'))
    expect(deriveUuid('a', 'b')[14]).toBe('8')
  })

  test('tells parts apart by where they end', () => {
    expect(
      new Set([deriveUuid('a', 'bc'), deriveUuid('ab', 'c'), deriveUuid('abc'), deriveUuid('a', 'b', 'c')])
        .size,
    ).toBe(4)
  })
})
