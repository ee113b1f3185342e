/**
 * Fields as bytes that no other fields give: each with a mark of its presence and its length in front, so that nothing
 * moves from one into the next.
 */
export function encodeFields(fields: readonly (string | number | null)[]): Buffer {
  return Buffer.concat(fields.flatMap(encodeField))
}

const ABSENT = Buffer.of(0)

function encodeField(field: string | number | null): readonly Buffer[] {
  if (field === null) return [ABSENT]
  const bytes = Buffer.from(String(field), 'utf8')
  const head = Buffer.alloc(5)
  head.writeUInt8(1)
  head.writeUInt32BE(bytes.length, 1)
  return [head, bytes]
}
