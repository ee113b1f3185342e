import { hash } from 'node:crypto'

/**
 * A UUID (version 8) that follows from its parts alone, so that whoever derives it again, after a crash or in another
 * process, names the same thing. Parts are length-prefixed: ('a', 'bc') and ('ab', 'c') differ.
 */
export function deriveUuid(...parts: readonly string[]): string {
  const hex = hash('sha256', parts.map((part) => `${part.length}:${part}`).join(''), 'hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
