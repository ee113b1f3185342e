/**
 * Whether anybody but this process listens. What only those who wait want to know (ends, the feed's growth) is published
 * for others, and each message costs every call of a busy store: so a call learns how many heard its message, and for as
 * long as nobody else did, only one call in a while asks again.
 */
export interface Audience {
  /** What the next call is to publish beside what every process needs: bits of `hints.lua`. */
  tells(): number
  /** So many heard a message of ours, this process among them when it listens. */
  heard(count: number): void
}

/** Ends, the feed and frames. */
const TELLS_ALL = 7
const ASKS_EVERY_MS = 1_000

export function createAudience(
  isListening: () => boolean,
  now: () => number = () => performance.now(),
): Audience {
  let askedAt = Number.NEGATIVE_INFINITY
  let isHeard = true
  return {
    tells() {
      if (isHeard) return TELLS_ALL
      if (now() - askedAt < ASKS_EVERY_MS) return 0
      askedAt = now()
      return TELLS_ALL
    },
    heard(count) {
      isHeard = count > (isListening() ? 1 : 0)
      askedAt = now()
    },
  }
}
