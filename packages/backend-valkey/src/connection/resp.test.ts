import { describe, expect, it } from 'vitest'
import { createRespReader, encodeTexts, RespError, type RespValue } from './resp.js'

const stream =
  '*3\r\n$8\r\nsmessage\r\n$2\r\nch\r\n$4\r\na\r\nb\r\n+PONG\r\n:-12\r\n$-1\r\n*0\r\n*1\r\n*1\r\n$0\r\n\r\n'
const values: RespValue[] = [
  [Buffer.from('smessage'), Buffer.from('ch'), Buffer.from('a\r\nb')],
  Buffer.from('PONG'),
  -12,
  null,
  [],
  [[Buffer.from('')]],
]

function readInParts(bytes: Buffer, size: number): RespValue[] {
  const read: RespValue[] = []
  const reader = createRespReader((value) => read.push(value))
  for (let at = 0; at < bytes.length; at += size) reader.read(bytes.subarray(at, at + size))
  return read
}

describe('a reader of the protocol', () => {
  it.each([1, 2, 3, 5, 7, 11, 64, 1_000])('reads what arrives in parts of %i bytes', (size) => {
    expect(readInParts(Buffer.from(stream), size)).toEqual(values)
  })

  it('reads an error as one', () => {
    const [error] = readInParts(Buffer.from("-NOPERM you may'nt\r\n"), 4)
    expect(error).toBeInstanceOf(RespError)
    expect((error as RespError).message).toBe("NOPERM you may'nt")
  })

  it('refuses what is not the protocol', () => {
    expect(() => readInParts(Buffer.from('HTTP/1.1 400 Bad Request\r\n'), 100)).toThrow(/protocol/)
    expect(() => readInParts(Buffer.from('+a\rb'), 100)).toThrow(/protocol/)
  })
})

describe('a command of texts', () => {
  it('counts bytes, not characters', () => {
    expect(encodeTexts('SSUBSCRIBE', 'ü')).toBe('*2\r\n$10\r\nSSUBSCRIBE\r\n$2\r\nü\r\n')
  })
})
