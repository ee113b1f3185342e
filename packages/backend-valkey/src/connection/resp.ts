/** An error reply in the place of a value. */
export class RespError extends Error {
  override readonly name = 'ReplyError'
}

export type RespValue = Buffer | number | null | RespError | readonly RespValue[]

export interface RespReader {
  /** Takes what arrived and hands on every value that is whole by now. Throws when it is not this protocol. */
  read(bytes: Buffer): void
}

const CR = 0x0d
const LF = 0x0a

/** Reads version 2 of the servers' protocol. For the listener, to which the server also speaks unasked. */
export function createRespReader(onValue: (value: RespValue) => void): RespReader {
  let rest: Buffer | undefined

  return {
    read(bytes) {
      const data = rest === undefined ? bytes : Buffer.concat([rest, bytes])
      const cursor: Cursor = { data, at: 0 }
      let doneAt = 0
      while (doneAt < data.length) {
        const value = readValue(cursor)
        if (value === undefined) break
        doneAt = cursor.at
        onValue(value)
      }
      rest = doneAt === data.length ? undefined : data.subarray(doneAt)
    },
  }
}

interface Cursor {
  readonly data: Buffer
  at: number
}

/** `undefined`: the rest has not arrived yet. */
function readValue(cursor: Cursor): RespValue | undefined {
  const line = readLine(cursor)
  if (line === undefined) return undefined
  const text = line.toString('latin1', 1)
  switch (String.fromCharCode(line[0] ?? 0)) {
    case '+':
      return line.subarray(1)
    case '-':
      return new RespError(line.toString('utf8', 1))
    case ':':
      return Number(text)
    case '$':
      return Number(text) < 0 ? null : readBytes(cursor, Number(text))
    case '*':
      return Number(text) < 0 ? null : readList(cursor, Number(text))
    default:
      throw new Error('Not the protocol of a Valkey')
  }
}

function readLine(cursor: Cursor): Buffer | undefined {
  const { data, at } = cursor
  const end = data.indexOf(CR, at)
  // A text line may not hold a carriage return, so the first one ends it.
  if (end < 0 || end + 1 >= data.length) return undefined
  if (data[end + 1] !== LF) throw new Error('Not the protocol of a Valkey')
  cursor.at = end + 2
  return data.subarray(at, end)
}

function readBytes(cursor: Cursor, length: number): Buffer | undefined {
  const { data, at } = cursor
  if (data.length < at + length + 2) return undefined
  cursor.at = at + length + 2
  return data.subarray(at, at + length)
}

function readList(cursor: Cursor, length: number): readonly RespValue[] | undefined {
  const list: RespValue[] = []
  for (let place = 0; place < length; place += 1) {
    const value = readValue(cursor)
    if (value === undefined) return undefined
    list.push(value)
  }
  return list
}

/** One command of texts, as bytes on the wire. */
export function encodeTexts(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}
