import { describe, expect, it } from 'vitest'
import { nameOf, parseAddress } from './address.js'
import { slotOf } from './slots.js'

describe('the slot of a key', () => {
  // As `CLUSTER KEYSLOT` answers.
  it.each([
    ['123456789', 12_739],
    ['foo', 12_182],
    ['{foo}bar', 12_182],
    ['a{foo}b{bar}', 12_182],
    ['foo{}{bar}', 8_363],
    ['ff:idx:{fp:3}:meta', 2_605],
    ['ff:hints:{fp:3}', 2_605],
  ])('%s: %i', (key, slot) => {
    expect(slotOf(key)).toBe(slot)
    expect(slotOf(Buffer.from(key))).toBe(slot)
  })
})

describe('the name of a node', () => {
  it.each([
    ['127.0.0.1:6379', { host: '127.0.0.1', port: 6_379 }],
    ['[::1]:6379', { host: '::1', port: 6_379 }],
    ['a.example:1', { host: 'a.example', port: 1 }],
  ])('%s is its address and back', (name, address) => {
    expect(parseAddress(name)).toEqual(address)
    expect(nameOf(address)).toBe(name)
  })

  it.each(['', 'a', 'a:', 'a:0', 'a:65536', 'a:x'])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })
})
