import type { Bytes } from '../contract/conventions.js'
import type { PayloadMatcher } from '../contract/suspensions.js'

/** A payload as a matcher sees it: a JSON document, none at all, or bytes that are no JSON. */
export type ReadPayload =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'none' }
  | { readonly kind: 'opaque' }

/** Bytes that are no JSON in UTF-8 are opaque: a codec may have made them. */
export function readPayloadJson(payload: Bytes | null): ReadPayload {
  if (payload === null) return { kind: 'none' }
  try {
    return { kind: 'json', value: JSON.parse(strictUtf8.decode(payload)) }
  } catch {
    // No UTF-8, no JSON, or nested deeper than the parser goes.
    return { kind: 'opaque' }
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Whether a payload matches. One that is opaque matches nothing, negations included. */
export function matchesPayload(matcher: PayloadMatcher, payload: ReadPayload): boolean {
  if (payload.kind === 'opaque') return false
  return holds(matcher, payload.kind === 'json' ? payload.value : undefined)
}

function holds(matcher: PayloadMatcher, document: unknown): boolean {
  switch (matcher.op) {
    case 'and':
      return matcher.of.every((each) => holds(each, document))
    case 'or':
      return matcher.of.some((each) => holds(each, document))
    case 'not':
      return !holds(matcher.of, document)
    case 'exists':
      return lookUp(document, matcher.path) !== undefined
    case 'equals':
      return isSameJson(lookUp(document, matcher.path), matcher.value)
    case 'above':
    case 'below': {
      const found = lookUp(document, matcher.path)
      if (typeof found !== 'number') return false
      return matcher.op === 'above' ? found > matcher.value : found < matcher.value
    }
  }
}

/** What a JSON pointer finds; `undefined` for nothing, which no JSON value is. */
function lookUp(document: unknown, path: string): unknown {
  if (path === '') return document
  let at = document
  for (const escaped of path.slice(1).split('/')) {
    const token = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(at)) at = INDEX_PATTERN.test(token) ? at[Number(token)] : undefined
    else if (typeof at === 'object' && at !== null && Object.hasOwn(at, token))
      at = (at as Readonly<Record<string, unknown>>)[token]
    else return undefined
  }
  return at
}

const INDEX_PATTERN = /^(?:0|[1-9][0-9]{0,14})$/

/** Goes no deeper than `wanted`, whose depth was checked. */
function isSameJson(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return found === wanted
  if (typeof found !== 'object' || found === null || Array.isArray(found) !== Array.isArray(wanted))
    return false
  const keys = Object.keys(wanted)
  return (
    keys.length === Object.keys(found).length &&
    keys.every(
      (key) =>
        Object.hasOwn(found, key) &&
        isSameJson(
          (found as Readonly<Record<string, unknown>>)[key],
          (wanted as Readonly<Record<string, unknown>>)[key],
        ),
    )
  )
}
