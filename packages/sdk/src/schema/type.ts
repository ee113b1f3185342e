import type { AnySchema, StandardSchema } from './standard-schema.js'

/**
 * A schema that states a type and checks nothing: `input: type<{ path: string }>()`. For values that only your own
 * code writes.
 */
export function type<T>(): StandardSchema<T, T> {
  return accepting as StandardSchema<T, T>
}

const accepting: AnySchema = {
  '~standard': { version: 1, vendor: 'flowfabric', validate: (value) => ({ value }) },
}

/** Whether the schema checks nothing, so that validation can be left out. */
export function acceptsEverything(schema: AnySchema | undefined): boolean {
  return schema === undefined || (schema as unknown) === accepting
}
