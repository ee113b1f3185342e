import { z } from 'zod'
import type { Bytes } from '../contract/conventions.js'
import { invalidParam } from '../validation/fields.js'

/**
 * How payloads cross HTTP, losslessly: JSON that reads back to the very same bytes goes as JSON (`input`), all else as
 * base64 (`inputBase64`). No payload is `null` or an absent field; the JSON text `null` itself goes as base64.
 */
export interface WirePayload {
  readonly json: unknown
  readonly base64: string | undefined
}

/** The two schemas of a payload field. */
export const jsonPayload = z.unknown().optional().describe('The payload as JSON.')
export const base64Payload = z
  .string()
  .optional()
  .describe(
    'The payload as base64, in place of JSON: for bytes that are no JSON, or must be kept as they are.',
  )
  .meta({ contentEncoding: 'base64' })

/** Payloads nested deeper go as base64, so that no body comes near its own bound. */
const PLAIN_DEPTH_MAX = 32
const BASE64_PATTERN = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The wire's form of a payload. */
export function writePayload(bytes: Bytes | null): WirePayload {
  if (bytes === null) return { json: null, base64: undefined }
  const json = readExactJson(bytes)
  if (json !== undefined && json !== null) return { json, base64: undefined }
  return { json: undefined, base64: toBase64(bytes) }
}

/** The payload of a pair of wire fields. Throws `invalid_params`. */
export function readPayload(json: unknown, base64: string | undefined, field: string): Bytes | null {
  if (base64 === undefined)
    return json === undefined || json === null ? null : encodeUtf8(JSON.stringify(json))
  if (json !== undefined && json !== null) throw invalidParam(`${field}Base64`, `excludes ${field}`)
  if (!BASE64_PATTERN.test(base64)) throw invalidParam(`${field}Base64`, 'must be base64')
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

/** The JSON that the bytes are, if writing it again gives the same bytes. */
function readExactJson(bytes: Bytes): unknown {
  try {
    const text = strictUtf8.decode(bytes)
    const value: unknown = JSON.parse(text)
    return JSON.stringify(value) === text && !isDeeper(value, PLAIN_DEPTH_MAX) ? value : undefined
  } catch {
    // Whatever is no JSON, or no UTF-8, goes as base64.
    return undefined
  }
}

/** Looks at values rather than at the text, most of which is in its strings, and no deeper than it must. */
function isDeeper(value: unknown, max: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (max === 0) return true
  for (const each of Array.isArray(value) ? value : Object.values(value))
    if (isDeeper(each, max - 1)) return true
  return false
}

/** From Node's pool: a buffer of its own for each of a batch's small payloads costs three times as much. */
function encodeUtf8(text: string): Bytes {
  const { buffer, byteOffset, byteLength } = Buffer.from(text)
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function toBase64(bytes: Bytes): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
