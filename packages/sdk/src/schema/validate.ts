import { engineError } from '@flowfabric/core'
import type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.js'
import { acceptsEverything } from './type.js'

/**
 * Checks a value against a schema and answers what the schema makes of it. A promise only for schemas that are
 * asynchronous themselves. Throws `invalid_params` with one issue for each thing that is wrong.
 */
export function validate<Output>(
  schema: StandardSchema<unknown, Output> | undefined,
  value: unknown,
  what: string,
): Output | Promise<Output> {
  if (schema === undefined || acceptsEverything(schema)) return value as Output
  const result = schema['~standard'].validate(value)
  return result instanceof Promise ? result.then((each) => readResult(each, what)) : readResult(result, what)
}

function readResult<Output>(result: SchemaResult<Output>, what: string): Output {
  if (result.issues === undefined) return result.value
  const issues = result.issues.map((issue) => ({ path: formatPath(issue), message: issue.message }))
  const first = issues[0]
  const shown =
    first === undefined ? 'refused' : `${first.path === '' ? '' : `${first.path}: `}${first.message}`
  throw engineError('invalid_params', `The ${what} is invalid: ${shown}`, { issues })
}

function formatPath(issue: SchemaIssue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}
