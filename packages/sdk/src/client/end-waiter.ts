import { isSafeToRepeat } from '../calls/call-safely.js'

/** The re-check that covers a lost hint begins after this, doubles, and stays at the maximum. */
const RECHECK_INITIAL_MS = 1_000
const RECHECK_MAX_MS = 10_000

/** What a check found of one id: its end, that it is pending (`undefined`), or an error that no later check will cure. */
export type Checked<End> = { readonly end: End } | { readonly error: unknown } | undefined

export interface EndSource<End> {
  /** Reads the record of each id, in the order of the ids. */
  readonly check: (ids: readonly string[]) => Promise<readonly Checked<End>[]>
  /** Ids of one check at most. */
  readonly batchMax: number
}

interface Waiting<End> {
  readonly id: string
  readonly resolve: (end: End | undefined) => void
  readonly reject: (error: unknown) => void
  readonly giveUpAtMs: number
  checkAtMs: number
  gapMs: number
}

/**
 * Waits for the ends of many executions or flows at once: a hint says which record to read, and one batched re-check
 * with growing pauses covers lost hints. One timer serves all; nothing is polled in a loop.
 */
export class EndWaiter<End> {
  readonly #source: EndSource<End>
  readonly #waiting = new Map<string, Waiting<End>[]>()
  readonly #due = new Set<string>()
  #isChecking = false
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(source: EndSource<End>) {
    this.#source = source
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0
  }

  /** The end, or `undefined` when the time is over. */
  wait(id: string, timeoutMs = Number.POSITIVE_INFINITY): Promise<End | undefined> {
    return new Promise((resolve, reject) => {
      const now = performance.now()
      const entry: Waiting<End> = {
        id,
        resolve,
        reject,
        giveUpAtMs: now + timeoutMs,
        checkAtMs: now + RECHECK_INITIAL_MS,
        gapMs: RECHECK_INITIAL_MS,
      }
      const others = this.#waiting.get(id)
      if (others === undefined) this.#waiting.set(id, [entry])
      else others.push(entry)
      this.notice(id)
      this.#aim(Math.min(entry.giveUpAtMs, entry.checkAtMs))
    })
  }

  /** Something may have happened to this id. */
  notice(id: string): void {
    if (!this.#waiting.has(id)) return
    this.#due.add(id)
    if (this.#due.size === 1 && !this.#isChecking) process.nextTick(() => void this.#checkDue())
  }

  /** Ends all waits with an error. */
  close(error: unknown): void {
    this.#stopTimer()
    for (const entry of [...this.#waiting.values()].flat()) entry.reject(error)
    this.#waiting.clear()
    this.#due.clear()
  }

  async #checkDue(): Promise<void> {
    if (this.#isChecking) return
    this.#isChecking = true
    try {
      while (this.#due.size > 0) {
        const ids = [...this.#due].slice(0, this.#source.batchMax)
        // A hint that comes while the record is being read asks for another look.
        for (const id of ids) this.#due.delete(id)
        await this.#check(ids.filter((id) => this.#waiting.has(id)))
      }
    } finally {
      this.#isChecking = false
    }
  }

  async #check(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    try {
      const found = await this.#source.check(ids)
      ids.forEach((id, index) => {
        this.#settle(id, found[index])
      })
    } catch (error) {
      // A store that is away for a moment: the re-check comes back to it.
      if (!isSafeToRepeat(error)) for (const id of ids) this.#settle(id, { error })
    }
  }

  #settle(id: string, found: Checked<End>): void {
    if (found === undefined) return
    const entries = this.#waiting.get(id) ?? []
    this.#waiting.delete(id)
    for (const entry of entries) {
      if ('end' in found) entry.resolve(found.end)
      else entry.reject(found.error)
    }
    if (this.isIdle) this.#stopTimer()
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timerAtMs = Number.POSITIVE_INFINITY
  }

  #aim(atMs: number): void {
    if (atMs >= this.#timerAtMs) return
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, atMs - performance.now()))
  }

  #tick(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = performance.now()
    // What would be due soon is looked at now, so that checks of many waits come together.
    const soon = now + RECHECK_INITIAL_MS / 4
    let nextAtMs = Number.POSITIVE_INFINITY
    for (const [id, entries] of this.#waiting) {
      const left = entries.filter((entry) => entry.giveUpAtMs > now)
      for (const entry of entries) if (entry.giveUpAtMs <= now) entry.resolve(undefined)
      if (left.length === 0) this.#waiting.delete(id)
      else if (left.length < entries.length) this.#waiting.set(id, left)
      for (const entry of left) {
        if (entry.checkAtMs <= soon) {
          this.notice(id)
          entry.gapMs = Math.min(entry.gapMs * 2, RECHECK_MAX_MS)
          entry.checkAtMs = now + entry.gapMs
        }
        nextAtMs = Math.min(nextAtMs, entry.giveUpAtMs, entry.checkAtMs)
      }
    }
    if (nextAtMs < Number.POSITIVE_INFINITY) this.#aim(nextAtMs)
  }
}
