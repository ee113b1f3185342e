import type { Bytes } from '@flowfabric/core'

/**
 * How values become the opaque payloads that the engine keeps. A codec of your own may compress, encrypt, or keep the
 * value elsewhere; clients and workers of the same work must use the same one.
 */
export interface Codec {
  encode(value: unknown): Bytes | Promise<Bytes>
  decode(bytes: Bytes): unknown
}

/** JSON as UTF-8: the default. */
export const jsonCodec: Codec = {
  encode: (value) => Buffer.from(JSON.stringify(value), 'utf8'),
  decode: (bytes) => JSON.parse(readUtf8(bytes)),
}

function readUtf8(bytes: Bytes): string {
  return Buffer.isBuffer(bytes)
    ? bytes.toString('utf8')
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** An absent value has no payload; everything else is the codec's. */
export function encodePayload(codec: Codec, value: unknown): Bytes | null | Promise<Bytes> {
  return value === undefined ? null : codec.encode(value)
}

/** What a payload holds; `undefined` without one. */
export function decodePayload(codec: Codec, bytes: Bytes | null): unknown {
  return bytes === null ? undefined : codec.decode(bytes)
}
