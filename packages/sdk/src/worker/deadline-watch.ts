import { AbortReason } from './abort-reason.js'
import type { HeldLease } from './held-lease.js'

/** Tells runs when the time of their attempt is over: one timer, aimed at the next one. */
export class DeadlineWatch {
  readonly #watched = new Map<HeldLease, number>()
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  add(held: HeldLease): void {
    const { attemptDeadlineAtMs } = held.claimed
    if (attemptDeadlineAtMs === null) return
    const atMs = performance.now() + (attemptDeadlineAtMs - held.storeTime())
    this.#watched.set(held, atMs)
    this.#aim(atMs)
  }

  remove(held: HeldLease): void {
    if (this.#watched.size > 0) this.#watched.delete(held)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#watched.clear()
  }

  #aim(atMs: number): void {
    if (atMs >= this.#timerAtMs) return
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    const waitMs = Math.min(Math.max(1, atMs - performance.now()), TIMER_MS_MAX)
    this.#timer = setTimeout(() => this.#tick(), waitMs).unref()
  }

  #tick(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = performance.now()
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const [held, atMs] of this.#watched) {
      if (atMs <= now) {
        this.#watched.delete(held)
        held.abort(new AbortReason('timed_out', 'The time of this attempt is over'))
      } else nextAtMs = Math.min(nextAtMs, atMs)
    }
    if (nextAtMs < Number.POSITIVE_INFINITY) this.#aim(nextAtMs)
  }
}

/** Longer waits overflow a timer, which would then fire at once. */
const TIMER_MS_MAX = 2_147_483_647
