import type { ClaimedExecution } from '@flowfabric/core'
import type { AbortReason } from './abort-reason.js'
import type { FrameSender } from './frame-sender.js'

/** The first look at whether a lease still stands comes after this; the pauses double up to a third of its time. */
const FIRST_CHECK_MS = 1_000

/**
 * `queued`: claimed and not started. `running`: its handler runs. `finishing`: the handler has ended, and the store has
 * not confirmed it yet. `gone`: somebody else ended it, or it was given back; nothing more is sent for it.
 */
export type HeldState = 'queued' | 'running' | 'finishing' | 'gone'

/** A lease in this worker's hands, from its claim to the confirmed end. */
export class HeldLease {
  claimed: ClaimedExecution
  /** `performance.now()` when the claim was answered. */
  readonly receivedAtMs: number
  state: HeldState = 'queued'
  startedAtMs = 0
  checkAtMs: number
  checkGapMs = FIRST_CHECK_MS
  reason: AbortReason | undefined
  /** Made when its handler first emits something. */
  frames: FrameSender | undefined
  /** Resolves when no suspension of its run is being asked for. Made when one first is. */
  suspending: Promise<void> | undefined
  /** What its run writes without waiting for it: whatever would make the store forget the same waits for this. */
  writing: Promise<unknown> | undefined
  /** Made when a handler first asks for it: most never do. */
  #controller: AbortController | undefined

  constructor(claimed: ClaimedExecution, nowMs: number) {
    this.claimed = claimed
    this.receivedAtMs = nowMs
    this.checkAtMs = nowMs + FIRST_CHECK_MS
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.reason !== undefined) this.#controller.abort(this.reason)
    }
    return this.#controller.signal
  }

  /** The first reason counts. */
  abort(reason: AbortReason): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.#controller?.abort(reason)
  }

  /** The store's time, counted on from the claim. */
  storeTime(nowMs: number = performance.now()): number {
    return Math.floor(this.claimed.claimedAtMs + (nowMs - this.receivedAtMs))
  }
}

/** All leases in this worker's hands. */
export class LeaseTable {
  readonly #byHandle = new Map<string, HeldLease>()

  get size(): number {
    return this.#byHandle.size
  }

  add(held: HeldLease): void {
    this.#byHandle.set(held.claimed.handle, held)
  }

  has(handle: string): boolean {
    return this.#byHandle.has(handle)
  }

  remove(held: HeldLease): void {
    this.#byHandle.delete(held.claimed.handle)
  }

  values(): IterableIterator<HeldLease> {
    return this.#byHandle.values()
  }
}
