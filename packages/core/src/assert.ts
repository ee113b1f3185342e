/**
 * A rule of this code base was broken by this code base. It is never an answer to a caller: what a
 * caller did wrong, or a store couldn't do, is an `EngineError`.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws an `InvariantError` unless the condition holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/** The value itself, or an `InvariantError` when it is absent. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new InvariantError(message)
  return value
}

/** Ends a switch over a closed union: a member without a case is a compile error here. */
export function unreachable(value: never): never {
  throw new InvariantError(`Unreachable: ${JSON.stringify(value)}`)
}
