import { isEngineError } from '@flowfabric/core'
import { pause } from './pause.js'

export interface RetryBounds {
  /** Calls in all. */
  readonly tries: number
  readonly initialMs: number
  readonly maxMs: number
}

/** What a client does about a store or a server that is away for a moment: five tries in about two seconds. */
export const clientRetryBounds: RetryBounds = { tries: 5, initialMs: 50, maxMs: 1_000 }

/**
 * Calls, and calls again as long as the error says that this is safe. Every operation is idempotent by id, key or
 * handle, so that an answer that was lost may be asked for again.
 */
export async function callSafely<T>(
  call: () => Promise<T>,
  bounds: RetryBounds = clientRetryBounds,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      if (!isSafeToRepeat(error) || attempt >= bounds.tries || signal?.aborted) throw error
      await pause(backOff(bounds, attempt, error), signal)
    }
  }
}

export function isSafeToRepeat(error: unknown): boolean {
  return isEngineError(error) && error.retry === 'safe'
}

/** Doubling pauses, spread over their upper half so that many callers don't come back at once. */
export function backOff(bounds: Omit<RetryBounds, 'tries'>, attempt: number, error?: unknown): number {
  const grown = Math.min(bounds.initialMs * 2 ** Math.min(attempt - 1, 20), bounds.maxMs)
  const asked = isEngineError(error) ? (error.retryAfterMs ?? 0) : 0
  return Math.max(asked, grown / 2 + (Math.random() * grown) / 2)
}
