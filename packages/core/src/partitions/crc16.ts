/** CRC16, XMODEM variant (polynomial 0x1021, start 0, not reflected): what Valkey Cluster uses for slots. */
const CRC16_TABLE: Uint16Array = buildTable()
const utf8 = new TextEncoder()

/** The checksum, 0…65535. Vector: `crc16Text('123456789')` is 0x31C3. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) crc = addByte(crc, byte)
  return crc
}

/** The checksum of a text's UTF-8 bytes. */
export function crc16Text(text: string): number {
  let crc = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > ASCII_MAX) return crc16(utf8.encode(text))
    crc = addByte(crc, code)
  }
  return crc
}

const ASCII_MAX = 0x7f

function addByte(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (CRC16_TABLE[(crc >>> 8) ^ byte] ?? 0)
}

function buildTable(): Uint16Array {
  const table = new Uint16Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    table[byte] = crc
  }
  return table
}
