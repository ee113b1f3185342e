/** Rows under their headings, in columns as wide as they need. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(column === cells.length - 1 ? 0 : (widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(headings.map((heading) => heading.toUpperCase())), ...rows.map(line)].join('\n')
}

/** A length of time in its two largest units: `3m12s`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 60) return `${(ms / 1_000).toFixed(1)}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3_600)}h`
}

/** A point in time as people and programs read it. */
export function formatTime(ms: number | null): string {
  return ms === null ? '-' : new Date(ms).toISOString()
}

/** Fields below each other. */
export function formatFields(
  fields: Readonly<Record<string, string | number | boolean | null | undefined>>,
): string {
  const given = Object.entries(fields).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  )
  const width = Math.max(...given.map(([name]) => name.length))
  return given.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

/** JSON for programs; payloads as JSON where they are, else as base64. */
export function formatJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, inner: unknown) => (inner instanceof Uint8Array ? readBytes(inner) : inner),
    2,
  )
}

/** A payload for people. */
export function formatPayload(bytes: Uint8Array | null): string {
  return bytes === null
    ? 'null'
    : typeof readBytes(bytes) === 'object'
      ? JSON.stringify(readBytes(bytes))
      : String(readBytes(bytes))
}

/** JSON where they are JSON, else base64. */
export function readBytes(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}
