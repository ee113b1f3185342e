/**
 * Runs passes a few at a time. Urgent ones come first, and background ones never take more than half of the places: a long
 * trim must not delay a completion.
 */
export class PassQueue {
  readonly #placesMax: number
  readonly #backgroundMax: number
  readonly #urgent: (() => Promise<void>)[] = []
  readonly #background: (() => Promise<void>)[] = []
  #running = 0
  #runningBackground = 0
  #whenIdle: (() => void)[] = []

  constructor(placesMax: number) {
    this.#placesMax = placesMax
    this.#backgroundMax = Math.max(1, Math.floor(placesMax / 2))
  }

  get waiting(): number {
    return this.#urgent.length + this.#background.length
  }

  /** `pass` must not reject. */
  add(pass: () => Promise<void>, urgent: boolean): void {
    ;(urgent ? this.#urgent : this.#background).push(pass)
    this.#fill()
  }

  /** Drops what has not begun. */
  clear(): void {
    this.#urgent.length = 0
    this.#background.length = 0
    this.#tellIdle()
  }

  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void> {
    if (this.#running === 0 && this.waiting === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  #fill(): void {
    while (this.#running < this.#placesMax) {
      const urgent = this.#urgent.shift()
      if (urgent !== undefined) {
        this.#run(urgent, false)
        continue
      }
      if (this.#runningBackground >= this.#backgroundMax) return
      const background = this.#background.shift()
      if (background === undefined) return
      this.#run(background, true)
    }
  }

  #run(pass: () => Promise<void>, background: boolean): void {
    this.#running++
    if (background) this.#runningBackground++
    void pass().finally(() => {
      this.#running--
      if (background) this.#runningBackground--
      this.#fill()
      this.#tellIdle()
    })
  }

  #tellIdle(): void {
    if (this.#running > 0 || this.waiting > 0) return
    for (const tell of this.#whenIdle.splice(0)) tell()
  }
}
