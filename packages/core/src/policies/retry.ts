/** Retry of failed attempts. Backoff is computed by the store's process with store time, in whole ms. */
export interface RetryPolicy {
  /** Initial and retry attempts together; 1 means no retry. */
  readonly maxAttempts: number
  readonly backoff: Backoff
  /** Failure categories that end the execution at once. */
  readonly nonRetryable: readonly string[]
}

export interface Backoff {
  readonly kind: 'fixed' | 'exponential'
  readonly initialMs: number
  /** Factor from one pause to the next (exponential only). */
  readonly multiplier: number
  readonly maxMs: number
  /** Full jitter: the pause is uniform in 0…computed. */
  readonly jitter: boolean
}

export const defaultRetryPolicy: RetryPolicy = {
  maxAttempts: 3,
  backoff: { kind: 'exponential', initialMs: 1_000, multiplier: 2, maxMs: 300_000, jitter: true },
  nonRetryable: [],
}

/** The pause before retry number `retry` (1 is the first), in whole ms. `random` is in [0, 1). */
export function backoffMs(backoff: Backoff, retry: number, random: number): number {
  const grown =
    backoff.kind === 'fixed' ? backoff.initialMs : backoff.initialMs * backoff.multiplier ** (retry - 1)
  const bounded = Math.min(Number.isFinite(grown) ? grown : backoff.maxMs, backoff.maxMs)
  return Math.floor(backoff.jitter ? random * (bounded + 1) : bounded)
}

/** Whether a failure is tried again. `attemptsMade` counts initial and retry attempts, the failed one included. */
export function retryAllowed(policy: RetryPolicy, attemptsMade: number, category: string): boolean {
  return attemptsMade < policy.maxAttempts && !policy.nonRetryable.includes(category)
}

/** The pause before the n-th reclaim (1 is the first, at once): then 1 s doubling to 60 s, with jitter in its upper half. */
export function reclaimBackoffMs(reclaim: number, random: number): number {
  if (reclaim <= 1) return 0
  const bounded = Math.min(1_000 * 2 ** Math.min(reclaim - 2, 20), 60_000)
  return Math.floor(bounded / 2 + random * (bounded / 2))
}
