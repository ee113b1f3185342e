import { type EngineError, isEngineError } from '@flowfabric/core'

/** What is refused by an error refuses its item alone. */
export function orError<Answer>(work: () => Answer): Answer | EngineError {
  try {
    return work()
  } catch (error) {
    if (isEngineError(error)) return error
    throw error
  }
}
