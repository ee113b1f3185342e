import { hash } from 'node:crypto'

/**
 * The hash of a value's canonical plaintext: SHA-256 over its JSON with sorted keys, in hex. Taken before any codec,
 * so that a repeat with other key order, or encrypted anew, still counts as the same input.
 */
export function hashCanonically(value: unknown): string {
  return hash('sha256', formatCanonicalJson(value), 'hex')
}

/** JSON with the keys of every object in order of their UTF-16 code units. An absent value reads `null`. */
export function formatCanonicalJson(value: unknown): string {
  return JSON.stringify(value, sortKeys) ?? 'null'
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const source = value as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.keys(source)
      .sort()
      .map((key) => [key, source[key]]),
  )
}
