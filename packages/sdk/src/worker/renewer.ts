import { limits, type RenewOutcome } from '@flowfabric/core'
import { isFencingRefusal } from '../calls/refusals.js'
import { AbortReason } from './abort-reason.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

const TICK_MS = 1_000

/**
 * Keeps all leases with one timer, and learns in the same calls that one was cancelled or taken away. A lease is looked
 * at a second after its claim, then with doubling pauses up to a third of its time; a hint brings the look forward.
 */
export class Renewer {
  readonly #core: WorkerCore
  readonly #onTick: (nowMs: number) => void
  #timer: NodeJS.Timeout | undefined
  #isRenewing = false
  #isAgain = false

  constructor(core: WorkerCore, onTick: (nowMs: number) => void) {
    this.#core = core
    this.#onTick = onTick
  }

  /** Begins to tick, if it doesn't; it ends by itself when there is no lease left. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Something has happened to this execution: look at its lease now. */
  look(executionId: string): void {
    let isOurs = false
    for (const held of this.#core.leases.values()) {
      if (held.claimed.executionId !== executionId) continue
      held.checkAtMs = 0
      isOurs = true
    }
    if (isOurs) void this.#renewDue(performance.now())
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick(): void {
    if (this.#core.leases.size === 0) {
      this.stop()
      return
    }
    const now = performance.now()
    this.#onTick(now)
    void this.#renewDue(now)
  }

  async #renewDue(nowMs: number): Promise<void> {
    if (this.#isRenewing) {
      this.#isAgain = true
      return
    }
    const due = [...this.#core.leases.values()]
      .filter((held) => held.checkAtMs <= nowMs)
      .slice(0, limits.renewBatchMax)
    if (due.length === 0) return
    this.#isRenewing = true
    this.#isAgain = due.length === limits.renewBatchMax
    try {
      await this.#renew(due)
    } catch (error) {
      // The next tick tries again; whether the lease still stands is the store's to say.
      this.#core.logger.log('warn', 'leases could not be renewed', {
        count: due.length,
        error: String(error),
      })
      return
    } finally {
      this.#isRenewing = false
    }
    if (this.#isAgain) await this.#renewDue(performance.now())
  }

  async #renew(due: readonly HeldLease[]): Promise<void> {
    const { leaseTtlMs, namespaces, backend } = this.#core
    const { items } = await backend.leases.renew({
      namespaces,
      items: due.map((held) => ({ handle: held.claimed.handle, leaseTtlMs })),
    })
    const now = performance.now()
    due.forEach((held, index) => {
      const outcome = items[index]
      if (outcome === undefined || !this.#core.leases.has(held.claimed.handle)) return
      held.checkGapMs = Math.min(held.checkGapMs * 2, leaseTtlMs / 3)
      held.checkAtMs = now + held.checkGapMs
      this.#settle(held, outcome)
    })
  }

  #settle(held: HeldLease, outcome: RenewOutcome): void {
    if (outcome.outcome === 'renewed') {
      if (outcome.cancelRequested !== null) {
        held.abort(
          new AbortReason('cancelled', `Somebody asked to cancel it (${outcome.cancelRequested.cause})`),
        )
      }
    } else if (isFencingRefusal(outcome)) {
      // Its end is on the way, and the store will say what became of it.
      if (held.state !== 'finishing') this.#core.refuse(held, outcome)
    } else this.#core.logger.log('error', 'a lease could not be renewed', { error: String(outcome.error) })
  }
}
