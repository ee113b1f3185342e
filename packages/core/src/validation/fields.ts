import type { Bytes } from '../contract/conventions.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { refuseNul } from '../names.js'

/**
 * Checks of single fields. They trust nothing but that a params object was given: a caller without types may send
 * anything. Written by hand, since they run for each item of the hot operations.
 */

/** The error of a field that is missing, of the wrong type or out of its range. */
export function invalidParam(path: string, message: string): EngineError {
  return engineError('invalid_params', path === '' ? message : `${path}: ${message}`, {
    issues: [{ path, message }],
  })
}

/** Throws `invalid_params` unless the value is a plain object. */
export function checkObject(value: unknown, path: string): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw invalidParam(path, 'must be an object')
}

/** Throws `invalid_params` unless the value is a list of at least `min`, `batch_too_large` above `max` entries. */
export function checkBatch(value: unknown, path: string, max: number, min = 0): void {
  const length = checkListLength(value, path, min)
  if (length <= max) return
  throw engineError('batch_too_large', `${path} has ${length} entries, at most ${max}`, {
    max,
    actual: length,
    field: path,
  })
}

/** Throws `invalid_params` unless the value is a list of at least `min`, `limit_exceeded` above `max` entries. */
export function checkList(value: unknown, path: string, max: number, min = 0): void {
  const length = checkListLength(value, path, min)
  if (length > max) throw limitExceeded(path, max, length)
}

/** Throws `invalid_params` unless the value is a whole number of at least `min`, `limit_exceeded` above `max`. */
export function checkInteger(value: unknown, path: string, min: number, max: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min) {
    throw invalidParam(path, `must be a whole number of ${min}…${max}`)
  }
  if (value > max) throw limitExceeded(path, max, value)
}

/** As `checkInteger`, or absent. */
export function checkOptionalInteger(value: unknown, path: string, min: number, max: number): void {
  if (value !== undefined) checkInteger(value, path, min, max)
}

/** Throws `invalid_params` unless the value is a boolean or absent. */
export function checkOptionalBoolean(value: unknown, path: string): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidParam(path, 'must be true or false')
}

/** Throws `invalid_params` unless the value is one of the words. */
export function checkWord(value: unknown, path: string, words: readonly string[]): void {
  if (typeof value === 'string' && words.includes(value)) return
  throw invalidParam(path, `must be one of ${words.join(', ')}`)
}

/** As `checkWord`, or absent. */
export function checkOptionalWord(value: unknown, path: string, words: readonly string[]): void {
  if (value !== undefined) checkWord(value, path, words)
}

/** Throws `invalid_params`, `nul_in_text` or `limit_exceeded` unless the value is a text of at most `maxBytes` as UTF-8. */
export function checkText(value: unknown, path: string, maxBytes: number, minBytes = 0): void {
  if (typeof value !== 'string') throw invalidParam(path, 'must be a text')
  if (value.length < minBytes) throw invalidParam(path, 'must not be empty')
  refuseNul(value, path)
  // A UTF-16 unit takes at most three bytes, so that short texts need no encoding.
  if (value.length * 3 <= maxBytes) return
  const bytes = Buffer.byteLength(value)
  if (bytes > maxBytes) throw limitExceeded(path, maxBytes, bytes)
}

/** As `checkText`, or absent. */
export function checkOptionalText(value: unknown, path: string, maxBytes: number, minBytes = 0): void {
  if (value !== undefined) checkText(value, path, maxBytes, minBytes)
}

/** Throws `invalid_params` unless the value is a SHA-256 in lower-case hex. */
export function checkSha256(value: unknown, path: string): void {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return
  throw invalidParam(path, 'must be 64 hexadecimal digits')
}

/** The reason that an operator states. */
export function checkReason(value: unknown): void {
  checkOptionalText(value, 'reason', limits.reasonBytesMax)
}

/** Throws `invalid_params` or `payload_too_large` unless the value is `null` or a payload within the limit. */
export function checkPayload(value: unknown, path: string): asserts value is Bytes | null {
  if (value === null) return
  if (!(value instanceof Uint8Array)) throw invalidParam(path, 'must be bytes or null')
  if (value.byteLength > limits.payloadBytesMax) {
    throw payloadTooLarge(path, limits.payloadBytesMax, value.byteLength)
  }
}

/** The error of a payload past its bound. */
export function payloadTooLarge(field: string, max: number, actual: number): EngineError {
  return engineError('payload_too_large', `${field} has ${actual} bytes, at most ${max}`, {
    max,
    actual,
    field,
  })
}

function checkListLength(value: unknown, path: string, min: number): number {
  if (!Array.isArray(value)) throw invalidParam(path, 'must be a list')
  if (value.length < min)
    throw invalidParam(path, min === 1 ? 'must not be empty' : `must have ${min} entries`)
  return value.length
}

function limitExceeded(field: string, max: number, actual: number): EngineError {
  return engineError('limit_exceeded', `${field} is ${actual}, at most ${max}`, { max, actual, field })
}
