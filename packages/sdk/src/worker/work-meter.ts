/** Weight of the newest run in the moving average. */
const WEIGHT = 0.2
/** At most this much work waits in a worker. */
const PREFETCH_MS_MAX = 1_000
/** Runs shorter than this are over before the next answer of the store. */
const SHORT_MS = 5

/**
 * Measures how long runs take, and says how many may wait in this worker: at most as many as run, and at most a second
 * of measured work, so that nothing waits here while another worker is idle. Before the first measurement: none.
 */
export class WorkMeter {
  #averageMs: number | undefined

  record(runMs: number): void {
    this.#averageMs =
      this.#averageMs === undefined ? runMs : this.#averageMs + WEIGHT * (runMs - this.#averageMs)
  }

  /** What runs now has run for so long already: the average must not promise less. */
  raise(runMs: number): void {
    if (this.#averageMs === undefined || runMs > this.#averageMs) this.#averageMs = runMs
  }

  /** Whether handlers wait for the store rather than the store for them. */
  get isShort(): boolean {
    return this.#averageMs !== undefined && this.#averageMs < SHORT_MS
  }

  prefetch(concurrency: number): number {
    if (this.#averageMs === undefined) return 0
    if (this.#averageMs <= PREFETCH_MS_MAX / 1_000) return concurrency
    return Math.min(concurrency, Math.floor((concurrency * PREFETCH_MS_MAX) / this.#averageMs))
  }
}
