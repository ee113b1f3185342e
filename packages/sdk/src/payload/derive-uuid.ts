import { createHash } from 'node:crypto'
import { formatUuid } from '@flowfabric/core'

/**
 * A UUID (version 8) that follows from its parts alone, so that whoever derives it again, after a crash or in another
 * process, names the same thing. Parts are length-prefixed: ('a', 'bc') and ('ab', 'c') differ.
 */
export function deriveUuid(...parts: readonly string[]): string {
  const digest = createHash('sha256')
  for (const part of parts) digest.update(`${part.length}:${part}`)
  const bytes = digest.digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return formatUuid(bytes)
}
