import { type EngineError, isEngineError } from '@flowfabric/core'

/** What the library says of an id that it doesn't find, or finds in another namespace. */
export const NOT_FOUND = 'not_found'

/** Gives that fault the code of what was looked for. */
export async function orNotFound<T>(call: Promise<T>, error: () => EngineError): Promise<T> {
  try {
    return await call
  } catch (fault) {
    if (isEngineError(fault) && fault.code === 'internal_error' && fault.message.startsWith(`${NOT_FOUND}:`))
      throw error()
    throw fault
  }
}
