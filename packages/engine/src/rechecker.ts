import type { Clock, Timer } from './clock.js'
import { jitter } from './pause.js'

/**
 * Covers lost hints: while anyone waits, one look for all of them together, first after a second, then less and less often
 * up to ten. News that a look or a hint brings makes it quick again.
 */
export class Rechecker {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #look: () => Promise<boolean>
  #pauseMs = FIRST_MS
  #timer: Timer | undefined
  #isWanted = false
  #isLooking = false

  /** `look` says whether it brought news; it must not reject. */
  constructor(clock: Clock, random: () => number, look: () => Promise<boolean>) {
    this.#clock = clock
    this.#random = random
    this.#look = look
  }

  /** Whether anyone waits. */
  want(isWanted: boolean): void {
    if (this.#isWanted === isWanted) return
    this.#isWanted = isWanted
    if (isWanted) this.#plan()
    else this.#cancel()
  }

  /** There were news: the next look comes soon again. */
  quicken(): void {
    if (this.#pauseMs === FIRST_MS) return
    this.#pauseMs = FIRST_MS
    if (this.#timer === undefined) return
    this.#cancel()
    this.#plan()
  }

  #plan(): void {
    if (this.#timer !== undefined || this.#isLooking || !this.#isWanted) return
    this.#timer = this.#clock.setTimer(jitter(this.#pauseMs, this.#random), () => void this.#run())
  }

  #cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #run(): Promise<void> {
    this.#timer = undefined
    this.#isLooking = true
    const news = await this.#look()
    this.#isLooking = false
    this.#pauseMs = news ? FIRST_MS : Math.min(this.#pauseMs * 2, LAST_MS)
    this.#plan()
  }
}

const FIRST_MS = 1_000
const LAST_MS = 10_000
