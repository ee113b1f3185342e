import { crc16, crc16Text } from '@flowfabric/core'

/** Slots of a Cluster. A standalone server serves them all. */
export const SLOT_COUNT = 16_384

/** The slot of a key, by its tag if it has one: what stands between the first `{` and the next `}`, unless that is empty. */
export function slotOf(key: string | Buffer): number {
  if (typeof key === 'string') {
    const open = key.indexOf('{')
    const close = open < 0 ? -1 : key.indexOf('}', open + 1)
    return crc16Text(close > open + 1 ? key.slice(open + 1, close) : key) % SLOT_COUNT
  }
  const open = key.indexOf(0x7b)
  const close = open < 0 ? -1 : key.indexOf(0x7d, open + 1)
  return crc16(close > open + 1 ? key.subarray(open + 1, close) : key) % SLOT_COUNT
}
