import type { Clock, Timer } from './clock.js'
import { jitter } from './pause.js'

/**
 * Covers lost hints: while anyone waits, one look for all of them together, first after a second, then less and less often
 * up to twenty; up to ten from the first look on that found something, since hints do not come here or get lost. News that
 * a look or a hint brings makes it quick again.
 */
export class Rechecker {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #look: () => Promise<boolean>
  #pauseMs = FIRST_MS
  #longestMs = LONGEST_MS
  #timer: Timer | undefined
  #isWanted = false
  #isLooking = false

  /** `look` says whether it brought news; it must not reject. */
  constructor(clock: Clock, random: () => number, look: () => Promise<boolean>) {
    this.#clock = clock
    this.#random = random
    this.#look = look
  }

  get isLooking(): boolean {
    return this.#isLooking
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
    if (news) this.#longestMs = LONGEST_MS_WITH_NEWS
    this.#pauseMs = news ? FIRST_MS : Math.min(this.#pauseMs * 2, this.#longestMs)
    this.#plan()
  }
}

const FIRST_MS = 1_000
const LONGEST_MS = 20_000
const LONGEST_MS_WITH_NEWS = 10_000
