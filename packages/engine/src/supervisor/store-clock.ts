import type { Clock } from '../clock.js'

/**
 * Estimates the store's time between two readings of it, so that a timer of this process can aim at a due time. Nothing is
 * decided by the estimate: the store looks at its own clock again.
 */
export class StoreClock {
  readonly #clock: Clock
  #offsetMs: number | undefined
  #roundTripMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes a reading of the store's time, made between two moments of this process. */
  read(storeNowMs: number, sentAtMs: number, answeredAtMs: number): void {
    const roundTripMs = Math.max(answeredAtMs - sentAtMs, 0)
    const offsetMs = storeNowMs - (sentAtMs + answeredAtMs) / 2
    const doubtMs = (roundTripMs + this.#roundTripMs) / 2 + 1
    const jumped = this.#offsetMs === undefined || Math.abs(offsetMs - this.#offsetMs) > doubtMs
    // The quickest answer tells most; it is trusted a little less with each later one, since clocks drift.
    if (jumped || roundTripMs <= this.#roundTripMs) {
      this.#offsetMs = offsetMs
      this.#roundTripMs = roundTripMs
    } else {
      this.#roundTripMs = this.#roundTripMs * 1.1 + 0.1
    }
  }

  /** Whether the store's time was read at all. */
  get isKnown(): boolean {
    return this.#offsetMs !== undefined
  }

  nowMs(): number {
    return this.#clock.nowMs() + (this.#offsetMs ?? 0)
  }
}
