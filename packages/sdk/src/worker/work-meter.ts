/** Weight of the newest run in the moving average. */
const WEIGHT = 0.2
/** At most this much work waits in a worker. */
const PREFETCH_MS_MAX = 1_000
/** As long as calls to the store may be under way, slots are to have work. */
const AHEAD_MS = 20
/** More than this for each slot would wait too long if the next runs took longer than was measured. */
const AHEAD_PER_SLOT_MAX = 30

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

  /** How many more may be asked for than run and wait: what the slots get through while calls are under way. */
  ahead(concurrency: number): number {
    if (this.#averageMs === undefined) return 0
    return Math.floor(concurrency * Math.min(AHEAD_PER_SLOT_MAX, AHEAD_MS / this.#averageMs))
  }

  prefetch(concurrency: number): number {
    if (this.#averageMs === undefined) return 0
    if (this.#averageMs <= PREFETCH_MS_MAX / 1_000) return concurrency
    return Math.min(concurrency, Math.floor((concurrency * PREFETCH_MS_MAX) / this.#averageMs))
  }
}
