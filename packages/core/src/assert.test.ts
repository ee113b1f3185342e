import { describe, expect, it } from 'vitest'
import { assert, InvariantError, must, unreachable } from './assert.js'

describe('assert', () => {
  it('lets true conditions pass and stops at false ones', () => {
    assert(true, 'holds')
    expect(() => assert(false, 'two leases')).toThrow(new InvariantError('two leases'))
  })

  it('must gives back what is there, falsy values included', () => {
    expect(must(0, 'absent')).toBe(0)
    expect(() => must(undefined, 'absent')).toThrow(InvariantError)
    expect(() => must(null, 'absent')).toThrow(InvariantError)
  })

  it('unreachable names the value', () => {
    expect(() => unreachable('forged' as never)).toThrow('"forged"')
  })
})
