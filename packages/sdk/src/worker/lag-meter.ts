/** How often the event loop is asked how late it is. */
const SAMPLE_MS = 100

/**
 * Back-pressure from the event loop: while its timers are later than the limit, this worker takes on less (half as much
 * with every late sample), and slowly more again when they are not. It samples only while work is running.
 */
export class LagMeter {
  readonly #concurrency: number
  readonly #lagMsMax: number
  #allowed: number
  #timer: NodeJS.Timeout | undefined
  #expectedAtMs = 0

  constructor(concurrency: number, lagMsMax: number) {
    this.#concurrency = concurrency
    this.#allowed = concurrency
    this.#lagMsMax = lagMsMax
  }

  /** How many handlers may run now. */
  get allowed(): number {
    return this.#allowed
  }

  get isLagging(): boolean {
    return this.#allowed < this.#concurrency
  }

  watch(isBusy: () => boolean): void {
    if (this.#timer !== undefined) return
    this.#expectedAtMs = performance.now() + SAMPLE_MS
    this.#timer = setInterval(() => {
      const now = performance.now()
      this.sample(now - this.#expectedAtMs)
      this.#expectedAtMs = now + SAMPLE_MS
      if (!isBusy() && !this.isLagging) this.stop()
    }, SAMPLE_MS).unref()
  }

  sample(lagMs: number): void {
    if (lagMs > this.#lagMsMax) this.#allowed = Math.max(1, Math.floor(this.#allowed / 2))
    else if (this.#allowed < this.#concurrency) this.#allowed++
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
