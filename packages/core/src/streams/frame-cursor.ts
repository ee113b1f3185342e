import type { Cursor } from '../contract/conventions.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import type { ExecutionId } from '../ids/index.js'
import { crc16Text } from '../partitions/crc16.js'

/** Where a reader stands in the streams of an execution: before frame `number` of an attempt. */
export interface FramePosition {
  readonly attemptIndex: number
  readonly number: number
}

/** `f<attempt>.<number>.<checksum>`: the checksum is over the execution too, so that a cursor of another one is told. */
export function encodeFrameCursor(executionId: ExecutionId, position: FramePosition): Cursor {
  const { attemptIndex, number } = position
  return `f${attemptIndex}.${number}.${checksumOf(executionId, position)}`
}

/** Throws `invalid_cursor`. Whether there is such a position, the store knows. */
export function decodeFrameCursor(executionId: ExecutionId, cursor: Cursor): FramePosition {
  const [, attempt, number, checksum] = PATTERN.exec(cursor) ?? []
  const position = { attemptIndex: Number(attempt), number: Number(number) }
  if (checksum !== checksumOf(executionId, position)) throw invalidFrameCursor()
  return position
}

export function invalidFrameCursor(): EngineError {
  return engineError('invalid_cursor', 'The cursor is malformed, or belongs to another stream')
}

const PATTERN = /^f(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.([0-9a-f]{4})$/

function checksumOf(executionId: ExecutionId, { attemptIndex, number }: FramePosition): string {
  return crc16Text(`${executionId}/${attemptIndex}/${number}`).toString(16).padStart(4, '0')
}
