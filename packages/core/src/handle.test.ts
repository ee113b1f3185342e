import { describe, expect, it } from 'vitest'
import { decodeHandle, encodeHandle } from './handle.js'
import { mintExecutionId, mintLeaseId } from './ids/index.js'
import { hashInput } from './input-hash.js'

const parts = { executionId: mintExecutionId(31), attemptIndex: 3, leaseId: mintLeaseId(), epoch: 17 }
const handle = encodeHandle(parts)
const swap = (index: number, text: string) => handle.split('.').with(index, text).join('.')

describe('lease handles', () => {
  it('come back as what they were made of', () => {
    expect(decodeHandle(handle)).toEqual(parts)
    const extreme = { ...parts, attemptIndex: 2_147_483_647, epoch: Number.MAX_SAFE_INTEGER }
    expect(decodeHandle(encodeHandle(extreme))).toEqual(extreme)
  })

  it.each([
    [undefined, 'not_a_text'],
    [7, 'not_a_text'],
    ['', 'unknown_version'],
    [swap(0, 'h2'), 'unknown_version'],
    [`${handle}.1`, 'wrong_number_of_parts'],
    [handle.slice(0, handle.lastIndexOf('.')), 'wrong_number_of_parts'],
    [swap(1, '65536'), 'bad_partition'],
    [swap(1, '07'), 'bad_partition'],
    [swap(2, parts.leaseId.toUpperCase()), 'bad_execution'],
    [swap(3, '-1'), 'bad_attempt'],
    [swap(3, '2147483648'), 'bad_attempt'],
    [swap(4, 'x'), 'bad_lease'],
    [swap(5, ''), 'bad_epoch'],
    [swap(5, '9007199254740992'), 'bad_epoch'],
    [swap(5, '1e3'), 'bad_epoch'],
  ])('%s is refused as %s', (text, fault) => {
    expect(() => decodeHandle(text as string)).toThrow(
      expect.objectContaining({ code: 'invalid_handle', details: { fault } }),
    )
  })
})

describe('hashInput', () => {
  it('is SHA-256 in hex, and no input is JSON null', () => {
    expect(hashInput(new TextEncoder().encode('abc'))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(hashInput(null)).toBe(hashInput(new TextEncoder().encode('null')))
    expect(hashInput(null)).not.toBe(hashInput(new Uint8Array()))
  })
})
