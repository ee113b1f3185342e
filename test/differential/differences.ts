import { isErrorCode } from '@flowfabric/core'
import { normalize } from './answers.js'

/** Where two differ, in words; nothing where they mean the same. */
export function differencesBetween(a: unknown, b: unknown): readonly string[] {
  return [...walk(normalize(a), normalize(b), '')].slice(0, 12)
}

function* walk(a: unknown, b: unknown, path: string): Generator<string> {
  if (Object.is(a, b)) return
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    yield `${path}: ${JSON.stringify(a)} | ${JSON.stringify(b)}`
    return
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const key of keys)
    yield* walk((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], `${path}.${key}`)
}

/** Outcomes that turn a caller away without an error. */
const turnedAway: ReadonlySet<string> = new Set(['unknown_instance', 'gone'])

/** What an operation was answered, split into accepted and refused. */
export function splitTally(counts: ReadonlyMap<string, number> | undefined): {
  accepted: number
  refused: number
} {
  const split = { accepted: 0, refused: 0 }
  for (const [outcome, count] of counts ?? []) {
    const isRefusal = isErrorCode(outcome) || turnedAway.has(outcome)
    split[isRefusal ? 'refused' : 'accepted'] += count
  }
  return split
}
