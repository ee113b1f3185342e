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

/**
 * The text of 16 bytes. Written as a whole: what is put together piece by piece is copied together by the first one who
 * looks into it, which costs more than to write it.
 */
export function formatUuid(bytes: Uint8Array): string {
  let at = 0
  for (let index = 0; index < 16; index++) {
    if (scratch[at] === HYPHEN) at++
    const byte = bytes[index] ?? 0
    scratch[at] = hexCharCode(byte >> 4)
    scratch[at + 1] = hexCharCode(byte & 0xf)
    at += 2
  }
  return scratch.toString('latin1')
}

const HYPHEN = 0x2d
/** A UUID's text; its hyphens stay. */
const scratch = Buffer.from('00000000-0000-0000-0000-000000000000', 'latin1')

function hexCharCode(value: number): number {
  return value < 10 ? value + 0x30 : value + 0x57
}

function hexValue(charCode: number): number {
  return charCode <= 0x39 ? charCode - 0x30 : charCode - 0x57
}
