import { type ClaimedExecution, type ClaimRequest, limits, mintClaimId } from '@flowfabric/core'
import { backOff, isSafeToRepeat } from '../calls/call-safely.js'
import { pause } from '../calls/pause.js'
import type { WorkerCore } from './worker-core.js'

/** One claim asks for no more than this, so that two of them share what there is room for. */
const BATCH_PER_SLOT = 16
/** A claim waits this long for work, then asks again. */
const WAIT_MS = 20_000
/**
 * After so many rounds, or so long, of fetching with the finish, the next work comes by a plain claim. Some rounds are
 * granted however slow the store is, since the round trip that they save is then the dearest.
 */
const ROUNDS_MAX = 16
const ROUNDS_MS_MAX = 50
const ROUNDS_MIN = 4
/** Pauses while the store or the server is away, or answers an empty claim without waiting. */
const AWAY = { initialMs: 100, maxMs: 5_000 }
const EMPTY_AT_ONCE_MS = 100

/** What the fetcher must know of the rest of the worker. */
export interface FetchDemand {
  /** How many more leases this worker could use, not counting what is asked for already. */
  readonly room: () => number
  readonly accept: (leases: readonly ClaimedExecution[]) => void
}

/**
 * Gets work: by plain claims, which take their turn with all other workers and lanes and wait for work, and together
 * with finished work, which saves a round trip. At most one plain claim is under way.
 */
export class Fetcher {
  readonly #core: WorkerCore
  readonly #demand: FetchDemand
  readonly #batchMax: number
  readonly #closing = new AbortController()
  #isPaused = false
  #reserved = 0
  #claiming: Promise<void> | undefined
  #rounds = 0
  #turnAtMs = 0
  #failures = 0
  #wakeTimer: NodeJS.Timeout | undefined

  constructor(core: WorkerCore, demand: FetchDemand) {
    this.#core = core
    this.#batchMax = Math.min(BATCH_PER_SLOT * core.concurrency, limits.claimBatchMax)
    this.#demand = demand
  }

  /** Asks for work if there is room for it. */
  wake(): void {
    if (!this.#isOpen || this.#claiming !== undefined || this.#wakeTimer !== undefined || this.#room() < 1)
      return
    this.#claiming = this.#claim().finally(() => {
      this.#claiming = undefined
      // What was claimed goes on first: handlers that have begun have steps of their own in this turn of the event loop.
      setImmediate(() => this.wake())
    })
  }

  /** A claim to go with finished work; `undefined` when there is no room, or when it is the turn of a plain claim. */
  takeNext(): ClaimRequest | undefined {
    const max = this.#isOpen ? this.#room() : 0
    if (max < 1) return undefined
    // While a plain claim waits, this worker's turn is not in doubt.
    if (this.#claiming === undefined) {
      if (this.#isTurnOver) return undefined
      this.#rounds++
    }
    const request = this.#request(max)
    this.#reserved += request.max
    return request
  }

  settleNext(request: ClaimRequest, leases: readonly ClaimedExecution[]): void {
    this.#reserved -= request.max
    if (leases.length > 0) this.#demand.accept(leases)
  }

  /** An operator asked this worker to take no more. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
    this.wake()
  }

  /** Takes no more. What a claim had leased by then is still accepted. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#wakeTimer)
    await this.#claiming
  }

  get #isOpen(): boolean {
    return !this.#isPaused && !this.#closing.signal.aborted
  }

  get #isTurnOver(): boolean {
    if (this.#rounds < ROUNDS_MIN) return false
    return this.#rounds >= ROUNDS_MAX || performance.now() - this.#turnAtMs > ROUNDS_MS_MAX
  }

  #room(): number {
    return Math.min(this.#demand.room() - this.#reserved, this.#batchMax)
  }

  async #claim(): Promise<void> {
    const request = { ...this.#request(this.#room()), waitMs: WAIT_MS, signal: this.#closing.signal }
    const beganAtMs = performance.now()
    this.#reserved += request.max
    let leases: readonly ClaimedExecution[] = []
    try {
      leases = await this.#claimPatiently(request)
    } catch (error) {
      this.#core.logger.log('error', 'claims are refused; the worker asks again', { error: String(error) })
      this.#wakeLater(++this.#failures)
    } finally {
      this.#reserved -= request.max
    }
    this.#rounds = 0
    this.#turnAtMs = performance.now()
    if (leases.length > 0) {
      this.#failures = 0
      this.#demand.accept(leases)
    } else if (performance.now() - beganAtMs < EMPTY_AT_ONCE_MS && this.#isOpen)
      this.#wakeLater(++this.#failures)
  }

  /** The same claim again, as long as its answer is lost: what it leased is in the next answer then. */
  async #claimPatiently(request: ClaimRequest): Promise<readonly ClaimedExecution[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#core.backend.leases.claim(request)
        if (attempt > 1) this.#core.logger.log('info', 'the store is back')
        return answer.outcome === 'claimed' ? answer.leases : []
      } catch (error) {
        if (this.#closing.signal.aborted) return []
        if (!isSafeToRepeat(error)) throw error
        if (attempt === 1)
          this.#core.logger.log('warn', 'the store is away; the worker waits for it', {
            error: String(error),
          })
        await pause(backOff(AWAY, attempt, error), this.#closing.signal)
      }
    }
  }

  #wakeLater(failures: number): void {
    clearTimeout(this.#wakeTimer)
    this.#wakeTimer = setTimeout(
      () => {
        this.#wakeTimer = undefined
        this.wake()
      },
      backOff(AWAY, failures),
    ).unref()
  }

  #request(max: number): ClaimRequest {
    const { namespaces, lanes, kinds, capabilities, workerId, instanceId, leaseTtlMs } = this.#core
    return {
      claimId: mintClaimId(),
      workerId,
      instanceId,
      namespaces,
      lanes,
      kinds,
      capabilities,
      max,
      leaseTtlMs,
    }
  }
}
