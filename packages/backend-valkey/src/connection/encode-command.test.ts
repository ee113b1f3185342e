import { describe, expect, it } from 'vitest'
import type { Command } from './command.js'
import { encodeCommand } from './encode-command.js'

describe('a command on the wire', () => {
  const cases: readonly (readonly [Command, string])[] = [
    [['PING'], '*1\r\n$4\r\nPING\r\n'],
    [['WAIT', 0, 1_234], '*3\r\n$4\r\nWAIT\r\n$1\r\n0\r\n$4\r\n1234\r\n'],
    [['ECHO', 'größe'], '*2\r\n$4\r\nECHO\r\n$7\r\ngröße\r\n'],
    [['SET', '', new Uint8Array()], '*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n'],
  ]

  it.each(cases)('%j holds texts as UTF-8 and numbers as digits', (command, wire) => {
    expect(encodeCommand(command).toString()).toBe(wire)
  })

  it('holds bytes as they are', () => {
    const bytes = Uint8Array.from([0, 13, 10, 255]).subarray(1)
    const wire = [...Buffer.from('*2\r\n$4\r\nECHO\r\n$3\r\n'), 13, 10, 255, 13, 10]
    expect([...encodeCommand(['ECHO', bytes])]).toEqual(wire)
  })

  it('counts with as many digits as it takes', () => {
    const args = Array.from({ length: 99 }, () => 'x'.repeat(10))
    const wire = encodeCommand(['MGET', ...args]).toString()
    expect(wire.startsWith('*100\r\n$4\r\nMGET\r\n$10\r\n')).toBe(true)
    expect(wire).toHaveLength('*100\r\n$4\r\nMGET\r\n'.length + 99 * '$10\r\nxxxxxxxxxx\r\n'.length)
  })
})
