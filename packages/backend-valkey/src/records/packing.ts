import { engineError } from '@flowfabric/core'
import { Packr } from 'msgpackr'

/**
 * MessagePack as Lua's `cmsgpack` reads and writes it: no records, no extensions, whole numbers as numbers. Absent values
 * are 0 or '' there, since Lua cannot tell an array with holes from a table.
 */
const packr = new Packr({ useRecords: false, int64AsType: 'number', moreTypes: false })

export function pack(value: unknown): Buffer {
  return packr.pack(value)
}

/** Throws `corruption` when the bytes are no MessagePack. */
export function unpack(bytes: Uint8Array, where: string): unknown {
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw engineError('corruption', `${where} does not decode`, { subject: where }, { cause })
  }
}
