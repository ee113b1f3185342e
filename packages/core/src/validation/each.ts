import { type EngineError, isEngineError } from '../errors/engine-error.js'

/** Runs a check over each item: its error, or `undefined`. So one bad item leaves its neighbours unharmed. */
export function checkEach<Item>(
  items: readonly Item[],
  check: (item: Item) => void,
): readonly (EngineError | undefined)[] {
  return items.map((item) => {
    try {
      check(item)
      return undefined
    } catch (error) {
      if (isEngineError(error)) return error
      throw error
    }
  })
}
