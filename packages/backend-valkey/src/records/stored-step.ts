import { type Bytes, engineError, type StepRecord, type StepType } from '@flowfabric/core'
import { unpack } from './packing.js'

const HEAD_BYTES = 4

/** An entry of a journal as `shared/journals.lua` stores it. Throws `corruption`. */
export function readStep(stored: Uint8Array): StepRecord {
  const view = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const head = view.length < HEAD_BYTES ? view.length : view.readUInt32BE(0)
  const fields =
    view.length < HEAD_BYTES + head
      ? undefined
      : unpack(view.subarray(HEAD_BYTES, HEAD_BYTES + head), 'an entry of a journal')
  if (!Array.isArray(fields) || fields.length < 5) {
    throw engineError('corruption', 'an entry of a journal does not decode', { subject: 'journal' })
  }
  const [name, type, attemptIndex, recordedAtMs, length] = fields
  return {
    name: String(name),
    type: type as StepType,
    result: Number(length) < 0 ? null : copyOf(view.subarray(HEAD_BYTES + head)),
    attemptIndex: Number(attemptIndex),
    recordedAtMs: Number(recordedAtMs),
  }
}

/** Bytes that remain when the reply that they came in is gone; no Buffer, since payloads are plain bytes everywhere. */
export function copyOf(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes)
}
