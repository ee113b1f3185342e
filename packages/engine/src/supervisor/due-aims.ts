import type { Clock, Timer } from '../clock.js'
import type { StoreClock } from './store-clock.js'

/**
 * Aims one timer of this process at the earliest due time of many targets, so that what is due is looked at within
 * milliseconds without anyone polling for it.
 */
export class DueAims<Target> {
  readonly #clock: Clock
  readonly #storeClock: StoreClock
  readonly #onDue: (target: Target) => void
  readonly #dueAtMs = new Map<Target, number>()
  #planned: { readonly atMs: number; readonly timer: Timer } | undefined

  constructor(clock: Clock, storeClock: StoreClock, onDue: (target: Target) => void) {
    this.#clock = clock
    this.#storeClock = storeClock
    this.#onDue = onDue
  }

  /** Sets the target's aim to a store time, whatever it was. `undefined` takes it away. */
  set(target: Target, dueAtMs: number | undefined): void {
    if (dueAtMs === undefined) this.#dueAtMs.delete(target)
    else this.#dueAtMs.set(target, dueAtMs)
    this.#aim()
  }

  /** Brings the target's aim forward. */
  bringForward(target: Target, dueAtMs: number): void {
    const known = this.#dueAtMs.get(target)
    if (known === undefined || dueAtMs < known) this.set(target, dueAtMs)
  }

  /** The store's time was read anew: what was planned by the old reading is planned again. */
  realign(): void {
    this.#aim()
  }

  clear(): void {
    this.#dueAtMs.clear()
    this.#unplan()
  }

  #aim(): void {
    let earliestMs = Number.POSITIVE_INFINITY
    for (const dueAtMs of this.#dueAtMs.values()) earliestMs = Math.min(earliestMs, dueAtMs)
    if (earliestMs === Number.POSITIVE_INFINITY) {
      this.#unplan()
      return
    }
    const delayMs = this.#delayTo(earliestMs)
    const atMs = this.#clock.nowMs() + delayMs
    if (this.#planned !== undefined && Math.abs(this.#planned.atMs - atMs) < TOLERANCE_MS) return
    this.#unplan()
    this.#planned = { atMs, timer: this.#clock.setTimer(delayMs, () => this.#fire()) }
  }

  #unplan(): void {
    this.#planned?.timer.cancel()
    this.#planned = undefined
  }

  /** The store's clock counts whole ms, so a look in the very ms may still come too early: half a ms later it doesn't. */
  #delayTo(dueAtMs: number): number {
    return Math.max(dueAtMs + 0.5 - this.#storeClock.nowMs(), 0)
  }

  #fire(): void {
    this.#planned = undefined
    const nowMs = this.#storeClock.nowMs()
    for (const [target, dueAtMs] of [...this.#dueAtMs]) {
      if (dueAtMs > nowMs) continue
      this.#dueAtMs.delete(target)
      this.#onDue(target)
    }
    this.#aim()
  }
}

/** A timer that is off by less is left as it is. */
const TOLERANCE_MS = 0.25
