import {
  type ClaimRequest,
  type CompleteOutcome,
  type FailLease,
  type FailOutcome,
  type FinishResult,
  limits,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { isFencingRefusal } from '../calls/refusals.js'
import { AbortReason } from './abort-reason.js'
import type { Fetcher } from './fetcher.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'
import type { RecordedOutcome } from './worker-observer.js'

/** While so many calls are under way, what ends meanwhile goes together in the next one. */
const CALLS_MAX = 2
/** Ends are sent until they are recorded, or until the worker is stopped. */
const PATIENCE = { tries: Number.POSITIVE_INFINITY, initialMs: 50, maxMs: 2_000 }

interface Completion {
  readonly held: HeldLease
  readonly result: Uint8Array | null
}

interface FailureEnd extends Pick<FailLease, 'failure' | 'retry'> {
  readonly held: HeldLease
}

/** Records ends of attempts in batches, and fetches new work in the same calls. */
export class Finisher {
  readonly #core: WorkerCore
  readonly #fetcher: Fetcher
  #completions: Completion[] = []
  #failures: FailureEnd[] = []
  #isScheduled = false
  #calls = 0
  #sending = 0
  #idleWaits: (() => void)[] = []

  constructor(core: WorkerCore, fetcher: Fetcher) {
    this.#core = core
    this.#fetcher = fetcher
  }

  complete(held: HeldLease, result: Uint8Array | null): void {
    this.#completions.push({ held, result })
    this.#schedule()
  }

  fail(held: HeldLease, end: Pick<FailLease, 'failure' | 'retry'>): void {
    this.#failures.push({ held, ...end })
    this.#schedule()
  }

  /** Resolves when everything that has ended is recorded. */
  whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaits.push(resolve))
  }

  /** Ends that the store has not confirmed yet. */
  get pending(): number {
    return this.#sending + this.#completions.length + this.#failures.length
  }

  get #isIdle(): boolean {
    return this.#calls === 0 && this.#completions.length === 0 && this.#failures.length === 0
  }

  #schedule(): void {
    if (this.#isScheduled || this.#calls >= CALLS_MAX) return
    this.#isScheduled = true
    // After the tick's microtasks: what ends together is recorded together.
    process.nextTick(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#calls < CALLS_MAX && this.#completions.length > 0) {
      void this.#sendCompletions(this.#completions.splice(0, limits.completeBatchMax))
    }
    while (this.#calls < CALLS_MAX && this.#failures.length > 0) {
      void this.#sendFailures(this.#failures.splice(0, limits.failBatchMax))
    }
    // What was not asked for together with an end.
    this.#fetcher.wake()
    if (this.#isIdle) for (const resolve of this.#idleWaits.splice(0)) resolve()
  }

  #sendCompletions(batch: readonly Completion[]): Promise<void> {
    const items = batch.map(({ held, result }) => ({ handle: held.claimed.handle, result }))
    const { leases } = this.#core.backend
    return this.#send<CompleteOutcome>(
      (next) => leases.complete({ namespaces: this.#core.namespaces, items, next }),
      batch,
      (outcome, index) => this.#settleCompletion(batch[index] as Completion, outcome),
    )
  }

  #sendFailures(batch: readonly FailureEnd[]): Promise<void> {
    const items = batch.map(({ held, failure, retry }) => ({ handle: held.claimed.handle, failure, retry }))
    const { leases } = this.#core.backend
    return this.#send<FailOutcome>(
      (next) => leases.fail({ namespaces: this.#core.namespaces, items, next }),
      batch,
      (outcome, index) => this.#settleFailure(batch[index] as FailureEnd, outcome),
    )
  }

  async #send<Outcome>(
    call: (next: ClaimRequest | undefined) => Promise<FinishResult<Outcome>>,
    batch: readonly { readonly held: HeldLease }[],
    settle: (outcome: Outcome, index: number) => void,
  ): Promise<void> {
    this.#calls++
    this.#sending += batch.length
    const next = this.#fetcher.takeNext()
    let claimed: FinishResult<Outcome>['claimed'] = []
    try {
      const answer = await callSafely(() => call(next), PATIENCE, this.#core.stopped)
      claimed = answer.claimed
      answer.items.forEach(settle)
    } catch (error) {
      this.#core.logger.log('error', 'ends of attempts could not be recorded', {
        count: batch.length,
        error: String(error),
      })
      for (const { held } of batch)
        this.#core.lose(held, new AbortReason('lease_lost', 'Its end could not be recorded'))
    }
    this.#calls--
    this.#sending -= batch.length
    if (next !== undefined) this.#fetcher.settleNext(next, claimed)
    this.#flush()
  }

  #settleCompletion({ held, result }: Completion, outcome: CompleteOutcome): void {
    if (outcome.outcome === 'completed') this.#settle(held, outcome)
    else if (outcome.outcome !== 'error') this.#core.refuse(held, outcome)
    else if (outcome.error.retry === 'safe') this.#completions.push({ held, result })
    // A result that no store takes, such as one that is too large: the attempt has failed, and would again.
    else {
      const { code, message } = outcome.error
      this.#failures.push({ held, failure: { category: code, message }, retry: 'never' })
    }
  }

  #settleFailure(end: FailureEnd, outcome: FailOutcome): void {
    const { held } = end
    if (isFencingRefusal(outcome)) this.#core.refuse(held, outcome)
    else if (outcome.outcome !== 'error') this.#settle(held, outcome)
    else if (outcome.error.retry === 'safe') this.#failures.push(end)
    else {
      this.#core.logger.log('error', 'a failure could not be recorded', { error: String(outcome.error) })
      this.#core.lose(held, new AbortReason('lease_lost', 'Its end could not be recorded'))
    }
  }

  #settle(held: HeldLease, outcome: RecordedOutcome): void {
    held.state = 'gone'
    this.#core.leases.remove(held)
    this.#core.observer.recorded?.(held.claimed, outcome)
  }
}
