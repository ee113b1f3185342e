import { applyBrand, type Brand } from './brand.js'
import { cutText } from './errors/cut-text.js'
import { type EngineError, engineError } from './errors/engine-error.js'
import { limits } from './limits.js'

/** A queue's name within its namespace: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`. */
export type LaneId = Brand<string, 'LaneId'>
/** A tenant's name; the same grammar. */
export type Namespace = Brand<string, 'Namespace'>
/** Which handler an execution needs; the same grammar, optionally with one `@version`: `resize@2`. */
export type Kind = Brand<string, 'Kind'>
/** A worker's name, stable over restarts; the same grammar as a lane's. */
export type WorkerId = Brand<string, 'WorkerId'>
/** `segment(.segment)+`, segments of `[a-z0-9_]`, first letter a-z, at most 128 characters. */
export type TagKey = Brand<string, 'TagKey'>
/** One token that a worker advertises and an execution requires. */
export type Capability = Brand<string, 'Capability'>

/** What can be wrong with a name. */
export type NameFault =
  | 'not_a_text'
  | 'empty'
  | 'too_long'
  | 'bad_first_character'
  | 'bad_character'
  | 'bad_version'
  | 'bad_segment'
  | 'without_dot'
  | 'reserved_prefix'
  | 'reserved_name'
  | 'nul_in_text'

type PlainNameCode = 'invalid_lane_id' | 'invalid_namespace' | 'invalid_kind' | 'invalid_worker_id'
type NameCode = PlainNameCode | 'invalid_name' | 'invalid_tag' | 'invalid_capability'

/** The lane of work that names none. */
export const defaultLane: LaneId = applyBrand<LaneId>('default')

/** The namespace of callers that name none. */
export const defaultNamespace: Namespace = applyBrand<Namespace>('default')

/** Tag keys that begin with this are the system's own. */
export const RESERVED_TAG_PREFIX = 'ff.'

/** Throws `invalid_lane_id`. */
export function parseLaneId(text: string): LaneId {
  return applyBrand<LaneId>(requireName('invalid_lane_id', 'lane', text, findPlainNameFault))
}

export function isLaneId(value: unknown): value is LaneId {
  return findPlainNameFault(value) === undefined
}

/** Throws `invalid_namespace`. */
export function parseNamespace(text: string): Namespace {
  return applyBrand<Namespace>(requireName('invalid_namespace', 'namespace', text, findPlainNameFault))
}

export function isNamespace(value: unknown): value is Namespace {
  return findPlainNameFault(value) === undefined
}

/** Throws `invalid_kind`. */
export function parseKind(text: string): Kind {
  return applyBrand<Kind>(requireName('invalid_kind', 'kind', text, findKindFault))
}

export function isKind(value: unknown): value is Kind {
  return findKindFault(value) === undefined
}

/** Throws `invalid_worker_id`. */
export function parseWorkerId(text: string): WorkerId {
  return applyBrand<WorkerId>(requireName('invalid_worker_id', 'worker', text, findPlainNameFault))
}

export function isWorkerId(value: unknown): value is WorkerId {
  return findPlainNameFault(value) === undefined
}

/**
 * Checks the free name of a node, an edge (`as`), a step or a waitpoint: 1…128 characters, no NUL and
 * no other control character. Throws `name_too_long` or `invalid_name`; `what` names the thing.
 */
export function requireFreeName(text: string, what: string): string {
  if (typeof text === 'string' && text.length > limits.nameCharsMax) {
    throw engineError(
      'name_too_long',
      `The name of a ${what} is longer than ${limits.nameCharsMax}: ${cutText(text)}`,
      {
        max: limits.nameCharsMax,
        actual: text.length,
        field: what,
      },
    )
  }
  return requireName('invalid_name', what, text, findFreeNameFault)
}

/**
 * Parses the key of a tag that a user sets; keys that begin with `ff.` are refused.
 * Throws `tag_too_long` or `invalid_tag`.
 */
export function parseTagKey(text: string): TagKey {
  if (typeof text === 'string' && text.length > limits.tagKeyCharsMax) {
    throw engineError(
      'tag_too_long',
      `The key of a tag is longer than ${limits.tagKeyCharsMax}: ${cutText(text)}`,
      {
        max: limits.tagKeyCharsMax,
        actual: text.length,
        field: 'key',
      },
    )
  }
  return applyBrand<TagKey>(requireName('invalid_tag', 'tag key', text, findUserTagKeyFault))
}

/** Whether the value is a tag key, the system's own included. */
export function isTagKey(value: unknown): value is TagKey {
  return findTagKeyFault(value) === undefined
}

/**
 * Checks the tags of an execution: their number, keys and values.
 * Throws `too_many_tags`, `tag_too_long`, `invalid_tag` or `nul_in_text`.
 */
export function requireTags(tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags)
  if (entries.length > limits.tagsMax) {
    throw engineError('too_many_tags', `${entries.length} tags, at most ${limits.tagsMax}`, {
      max: limits.tagsMax,
      actual: entries.length,
    })
  }
  for (const [key, value] of entries) {
    parseTagKey(key)
    requireTagValue(key, value)
  }
}

/** Parses one capability: printable, no comma, no white space. Throws `invalid_capability` or `too_many_capabilities`. */
export function parseCapability(text: string): Capability {
  return applyBrand<Capability>(requireName('invalid_capability', 'capability', text, findCapabilityFault))
}

export function isCapability(value: unknown): value is Capability {
  return findCapabilityFault(value) === undefined
}

/**
 * The canonical form of a capability set: sorted by UTF-16 code units, without duplicates. An empty set
 * requires nothing. Throws `invalid_capability` or `too_many_capabilities`.
 */
export function parseCapabilities(texts: readonly string[]): readonly Capability[] {
  const set = [...new Set(texts.map(parseCapability))].sort()
  const bytes = Buffer.byteLength(set.join(','))
  if (set.length > limits.capabilitiesMax) {
    throw engineError(
      'too_many_capabilities',
      `${set.length} capabilities, at most ${limits.capabilitiesMax}`,
      {
        max: limits.capabilitiesMax,
        actual: set.length,
        field: 'tokens',
      },
    )
  }
  if (bytes > limits.capabilitiesBytesMax) {
    throw engineError(
      'too_many_capabilities',
      `${bytes} bytes of capabilities, at most ${limits.capabilitiesBytesMax}`,
      {
        max: limits.capabilitiesBytesMax,
        actual: bytes,
        field: 'bytes',
      },
    )
  }
  return set
}

/** Throws `nul_in_text` when the text holds the character NUL; `field` says which text it is. */
export function refuseNul(text: string, field: string): void {
  if (text.includes('\0')) throw engineError('nul_in_text', `The text of ${field} holds NUL`, { field })
}

const PLAIN_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const FIRST_CHARACTER_PATTERN = /^[A-Za-z0-9]/
const CONTROL_PATTERN = /[\p{Cc}\p{Cs}]/u
const TAG_KEY_PATTERN = /^[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+$/
const CAPABILITY_PATTERN = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Z},]+$/u

function requireName(
  code: NameCode,
  idKind: string,
  text: unknown,
  findFault: (value: unknown) => NameFault | undefined,
): string {
  const fault = findFault(text)
  if (fault === undefined && typeof text === 'string') return text
  throw invalidName(code, idKind, fault ?? 'not_a_text', text)
}

function invalidName(code: NameCode, idKind: string, fault: NameFault, value: unknown): EngineError {
  const shown = cutText(value)
  return engineError(code, `Not a ${idKind} (${fault.replaceAll('_', ' ')}): ${shown}`, {
    idKind,
    fault,
    value: shown,
  })
}

function findPlainNameFault(value: unknown): NameFault | undefined {
  if (typeof value !== 'string') return 'not_a_text'
  if (PLAIN_NAME_PATTERN.test(value)) return undefined
  if (value === '') return 'empty'
  if (!FIRST_CHARACTER_PATTERN.test(value)) return 'bad_first_character'
  return value.length > limits.nameCharsMax ? 'too_long' : 'bad_character'
}

function findKindFault(value: unknown): NameFault | undefined {
  if (typeof value !== 'string') return 'not_a_text'
  const at = value.indexOf('@')
  if (at < 0) return findPlainNameFault(value)
  if (value.length > limits.nameCharsMax) return 'too_long'
  if (findPlainNameFault(value.slice(at + 1)) !== undefined) return 'bad_version'
  return findPlainNameFault(value.slice(0, at))
}

function findFreeNameFault(value: unknown): NameFault | undefined {
  if (typeof value !== 'string') return 'not_a_text'
  if (value === '') return 'empty'
  if (value.includes('\0')) return 'nul_in_text'
  if (value.length > limits.nameCharsMax) return 'too_long'
  // Names become fields: of a flow's result, and of what a handler gets from its upstreams.
  if (value === '__proto__') return 'reserved_name'
  return CONTROL_PATTERN.test(value) ? 'bad_character' : undefined
}

function findTagKeyFault(value: unknown): NameFault | undefined {
  if (typeof value !== 'string') return 'not_a_text'
  if (value.length > limits.tagKeyCharsMax) return 'too_long'
  if (TAG_KEY_PATTERN.test(value)) return undefined
  if (value === '') return 'empty'
  if (!/^[a-z]/.test(value)) return 'bad_first_character'
  if (!/^[a-z0-9_.]*$/.test(value)) return 'bad_character'
  return value.includes('.') ? 'bad_segment' : 'without_dot'
}

function findUserTagKeyFault(value: unknown): NameFault | undefined {
  const fault = findTagKeyFault(value)
  if (fault !== undefined) return fault
  return typeof value === 'string' && value.startsWith(RESERVED_TAG_PREFIX) ? 'reserved_prefix' : undefined
}

function findCapabilityFault(value: unknown): NameFault | undefined {
  if (typeof value !== 'string') return 'not_a_text'
  if (value === '') return 'empty'
  return CAPABILITY_PATTERN.test(value) ? undefined : 'bad_character'
}

function requireTagValue(key: string, value: unknown): void {
  if (typeof value !== 'string') throw invalidName('invalid_tag', 'tag value', 'not_a_text', value)
  refuseNul(value, `tags.${key}`)
  const bytes = Buffer.byteLength(value)
  if (bytes <= limits.tagValueBytesMax) return
  throw engineError(
    'tag_too_long',
    `The value of tag ${key} has ${bytes} bytes, at most ${limits.tagValueBytesMax}`,
    {
      max: limits.tagValueBytesMax,
      actual: bytes,
      field: key,
    },
  )
}
