/**
 * UUID text as this system writes it: lower case, with hyphens. Version and variant bits are not judged,
 * since callers and deterministic ids (a schedule's tick, a child's name) bring versions of their own.
 */
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Length of UUID text in characters. */
export const UUID_TEXT_LENGTH = 36

/** Whether the text is a UUID in its one accepted form. */
export function isUuid(text: string): boolean {
  return UUID_PATTERN.test(text)
}

/** The 16 bytes of a UUID text that `isUuid` accepted, in network order. */
export function readUuidBytes(uuid: string): Uint8Array {
  const bytes = new Uint8Array(16)
  let at = 0
  for (let index = 0; index < 16; index++) {
    if (uuid.charCodeAt(at) === HYPHEN) at++
    bytes[index] = (hexValue(uuid.charCodeAt(at)) << 4) | hexValue(uuid.charCodeAt(at + 1))
    at += 2
  }
  return bytes
}

/** The text of 16 bytes. */
export function formatUuid(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += '-'
    text += HEX_PAIRS[bytes[index] ?? 0]
  }
  return text
}

const HYPHEN = 0x2d
const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

function hexValue(charCode: number): number {
  return charCode <= 0x39 ? charCode - 0x30 : charCode - 0x57
}
