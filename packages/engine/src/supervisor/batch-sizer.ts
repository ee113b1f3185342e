/**
 * How much of a full batch the store bears now. A slow or failing store gets smaller batches, so that passes don't pile up
 * on it; quick ones let them grow again.
 */
export class BatchSizer {
  #share = 1

  size(max: number): number {
    return Math.max(1, Math.floor(max * this.#share))
  }

  record(pass: { readonly failed: boolean; readonly durationMs: number }): void {
    if (pass.failed || pass.durationMs > SLOW_MS) this.#share = Math.max(this.#share / 2, SHARE_MIN)
    else if (pass.durationMs < SLOW_MS / 4) this.#share = Math.min(this.#share * 2, 1)
  }
}

const SLOW_MS = 1_000
const SHARE_MIN = 1 / 64
