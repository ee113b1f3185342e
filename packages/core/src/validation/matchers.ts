import type { PayloadMatcher } from '../contract/suspensions.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'

type AllKeys<Union> = Union extends unknown ? keyof Union : never
type AnyMatcher = { readonly [K in AllKeys<PayloadMatcher>]?: unknown }

/** Checks a payload matcher as a whole. Throws `invalid_matcher` or `condition_too_large`. */
export function checkMatcher(matcher: unknown): void {
  checkNode(matcher, { nodes: 0 }, 1)
}

function checkNode(value: unknown, seen: { nodes: number }, depth: number): void {
  if (typeof value !== 'object' || value === null) throw invalid('a matcher is not an object')
  seen.nodes += 1
  if (depth > limits.matcherDepthMax) throw tooLarge('matcher depth', limits.matcherDepthMax)
  if (seen.nodes > limits.matcherNodesMax) throw tooLarge('matcher nodes', limits.matcherNodesMax)
  const node = value as AnyMatcher
  switch (node.op) {
    case 'equals':
      checkPointer(node.path)
      checkJson(node.value, 1)
      return
    case 'exists':
      checkPointer(node.path)
      return
    case 'above':
    case 'below':
      checkPointer(node.path)
      if (typeof node.value !== 'number' || !Number.isFinite(node.value))
        throw invalid(`the value of ${node.op} is not a finite number`)
      return
    case 'and':
    case 'or':
      if (!Array.isArray(node.of) || node.of.length === 0) throw invalid(`${node.op} has nothing to judge`)
      for (const each of node.of) checkNode(each, seen, depth + 1)
      return
    case 'not':
      checkNode(node.of, seen, depth + 1)
      return
    default:
      throw invalid('the op is none of equals, exists, above, below, and, or, not')
  }
}

/** RFC 6901: nothing, or tokens that each begin with a slash, in which a tilde is followed by 0 or 1. */
const POINTER_PATTERN = /^(?:\/(?:[^~/]|~[01])*)*$/

function checkPointer(path: unknown): void {
  if (typeof path === 'string' && POINTER_PATTERN.test(path)) return
  throw invalid('the path is not a JSON pointer')
}

function checkJson(value: unknown, depth: number): void {
  if (depth > limits.jsonDepthMax) throw tooLarge('depth of a value', limits.jsonDepthMax)
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (Number.isFinite(value)) return
      break
    case 'object':
      if (value !== null) for (const each of Object.values(value)) checkJson(each, depth + 1)
      return
    default:
  }
  throw invalid('the value of equals is not JSON')
}

function invalid(fault: string): EngineError {
  return engineError('invalid_matcher', `A payload matcher is malformed: ${fault}`)
}

function tooLarge(field: string, max: number): EngineError {
  return engineError('condition_too_large', `A payload matcher is past its bound of ${field}, ${max}`, {
    max,
    field,
  })
}
