import type { z } from 'zod'
import { type EngineError, engineError } from '../errors/engine-error.js'

/** The value as the schema reads it. Throws `unknown_field` or `invalid_params`, each with the path. */
export function readWire<Output>(
  schema: z.ZodType<Output>,
  value: unknown,
  at: readonly PropertyKey[] = [],
): Output {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  throw toEngineError(read.error, at)
}

/** What a server answered, as the schema reads it. Throws `unexpected_answer`: the fault is not the caller's. */
export function readReply<Output>(schema: z.ZodType<Output>, json: unknown): Output {
  const read = schema.safeParse(json)
  if (read.success) return read.data
  const { message } = toEngineError(read.error, [])
  throw engineError('unexpected_answer', `The answer is not one of this API: ${message}`, { status: 200 })
}

/** As `readWire` for each item: the item, or its error, so that one bad item leaves its neighbours unharmed. */
export function readEach<Output>(
  schema: z.ZodType<Output>,
  values: readonly unknown[],
): readonly ({ readonly item: Output } | { readonly error: EngineError })[] {
  return values.map((value) => {
    const read = schema.safeParse(value)
    return read.success ? { item: read.data } : { error: toEngineError(read.error, []) }
  })
}

const ISSUES_MAX = 20

function toEngineError(error: z.ZodError, at: readonly PropertyKey[]): EngineError {
  const unknown = error.issues.find((issue) => issue.code === 'unrecognized_keys')
  if (unknown?.code === 'unrecognized_keys') {
    const path = dotted([...at, ...unknown.path, ...unknown.keys.slice(0, 1)])
    return engineError('unknown_field', `There is no field ${path}`, { path })
  }
  const issues = error.issues
    .slice(0, ISSUES_MAX)
    .map((issue) => ({ path: dotted([...at, ...issue.path]), message: issue.message }))
  const message = issues
    .map(({ path, message: text }) => (path === '' ? text : `${path}: ${text}`))
    .join('; ')
  return engineError('invalid_params', message, { issues })
}

function dotted(path: readonly PropertyKey[]): string {
  const text = path.map(String).join('.')
  return text.length <= PATH_CHARS_MAX ? text : `${text.slice(0, PATH_CHARS_MAX - 1)}…`
}

const PATH_CHARS_MAX = 200
