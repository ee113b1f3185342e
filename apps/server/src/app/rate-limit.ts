import { engineError } from '@flowfabric/core'
import { type Grant, ownersGrant } from './grant.js'

/** Refuses what comes too fast. */
export interface RateLimit {
  /** Throws `rate_limited`, with the time after which a repeat may pass. */
  take(grant: Grant): void
}

/** Whose buckets are kept; one that is forgotten is full again. */
const BUCKETS_MAX = 10_000

interface Bucket {
  left: number
  atMs: number
}

/**
 * So many requests in a second for each API token, in this process; what was not used is saved up for one second. The token
 * that the server is configured with is its operator's, and has no limit.
 */
export function createRateLimit(requestsPerSecond: number, now = () => performance.now()): RateLimit {
  const buckets = new Map<string, Bucket>()
  return {
    take(grant) {
      if (requestsPerSecond === 0 || grant === ownersGrant) return
      const atMs = now()
      const known = buckets.get(grant.subject)
      const saved =
        known === undefined ? Number.POSITIVE_INFINITY : ((atMs - known.atMs) / 1_000) * requestsPerSecond
      const left = Math.min(requestsPerSecond, (known?.left ?? 0) + saved)
      const isOver = left < 1
      // Whoever was seen last is forgotten last.
      buckets.delete(grant.subject)
      buckets.set(grant.subject, { left: isOver ? left : left - 1, atMs })
      const [oldest] = buckets.keys()
      if (buckets.size > BUCKETS_MAX && oldest !== undefined) buckets.delete(oldest)
      if (!isOver) return
      const message = `At most ${requestsPerSecond} requests a second with one token`
      const retryAfterMs = Math.ceil(((1 - left) * 1_000) / requestsPerSecond)
      throw engineError('rate_limited', message, {}, { retryAfterMs })
    },
  }
}
