import type { Command } from './command.js'

/** The command as bytes on the wire, in one piece. */
export function encodeCommand(command: Command): Buffer {
  const parts = command.map((part) => (typeof part === 'number' ? String(part) : part))
  let size = headSize(parts.length)
  for (const part of parts) {
    const length = lengthOf(part)
    size += headSize(length) + length + CRLF_BYTES
  }
  const bytes = Buffer.allocUnsafe(size)
  let at = writeHead(bytes, 0, ARRAY, parts.length)
  for (const part of parts) {
    const length = lengthOf(part)
    at = writeHead(bytes, at, BULK, length)
    if (typeof part === 'string') bytes.write(part, at, 'utf8')
    else bytes.set(part, at)
    at = writeEnd(bytes, at + length)
  }
  return bytes
}

const ARRAY = 0x2a
const BULK = 0x24
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const CRLF_BYTES = 2

function lengthOf(part: string | Uint8Array): number {
  return typeof part === 'string' ? Buffer.byteLength(part) : part.byteLength
}

/** Of the mark, the number and the end of the line. */
function headSize(number: number): number {
  return 1 + digitsOf(number) + CRLF_BYTES
}

function digitsOf(number: number): number {
  let digits = 1
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits += 1
  return digits
}

function writeHead(bytes: Buffer, at: number, mark: number, number: number): number {
  bytes[at] = mark
  const end = at + 1 + digitsOf(number)
  let rest = number
  for (let place = end - 1; place > at; place -= 1) {
    bytes[place] = ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return writeEnd(bytes, end)
}

function writeEnd(bytes: Buffer, at: number): number {
  bytes[at] = CR
  bytes[at + 1] = LF
  return at + CRLF_BYTES
}
