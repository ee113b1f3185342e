/**
 * How much of a full batch the store bears now. A slow or failing store gets smaller batches, so that passes don't pile up
 * on it; quick ones let them grow again. Only a pass that filled its batch was slow by its size: where each answer waits for a
 * disk or a replica all passes are slow, and the smaller ones get less done.
 */
export class BatchSizer {
  #share = 1
  #asked = Number.POSITIVE_INFINITY

  size(max: number): number {
    this.#asked = Math.max(1, Math.floor(max * this.#share))
    return this.#asked
  }

  record({ failed, durationMs, done }: PassFacts): void {
    const isSlow = durationMs > SLOW_MS
    const isFull = done >= this.#asked
    if (failed) this.#share = Math.max(this.#share / 2, SHARE_MIN)
    else if (isSlow && isFull)
      this.#share = Math.max(this.#share / 2, Math.min(this.#share * 2, SLOW_SHARE_MIN))
    else if (!isFull || durationMs < SLOW_MS / 4) this.#share = Math.min(this.#share * 2, 1)
  }
}

export interface PassFacts {
  readonly failed: boolean
  readonly durationMs: number
  /** Items that it dealt with. */
  readonly done: number
}

const SLOW_MS = 1_000
/** Of passes that fail. */
const SHARE_MIN = 1 / 64
/** A pass of so little that is slow waits for something. */
const SLOW_SHARE_MIN = 1 / 8
