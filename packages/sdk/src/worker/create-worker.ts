import { setMaxListeners } from 'node:events'
import { type ClaimedExecution, limits } from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { pause } from '../calls/pause.js'
import { openConnection } from '../connection/connection.js'
import { AbortReason } from './abort-reason.js'
import { createWorkerCore } from './create-worker-core.js'
import { DeadlineWatch } from './deadline-watch.js'
import { Fetcher } from './fetcher.js'
import { Finisher } from './finisher.js'
import { Heart } from './heart.js'
import { HeldLease } from './held-lease.js'
import { LagMeter } from './lag-meter.js'
import { Renewer } from './renewer.js'
import { Runner } from './runner.js'
import { WorkMeter } from './work-meter.js'
import type { WorkerCore } from './worker-core.js'
import type { WorkerOptions } from './worker-options.js'

const DRAIN_GRACE_MS_DEFAULT = 30_000
/** What handlers have, after they were told to stop, to come to their end. */
const ABORT_GRACE_MS = 1_000
const LAG_MS_DEFAULT = 250
const HEARTBEAT_MS_DEFAULT = 10_000
/**
 * Ends that may wait to be recorded before the worker takes on less: two full batches, one for each call that may be under
 * way, but no more than are worth while for its slots.
 */
const UNRECORDED_MAX = 2 * limits.completeBatchMax
const UNRECORDED_PER_SLOT = { min: 2, max: 32 }
/** The same of leases that are asked for ahead. */
const AHEAD_MAX = 2 * limits.claimBatchMax
/** Work that has waited here so long goes back, for others to take. */
const QUEUED_MS_MAX = 2_000

export type WorkerState = 'new' | 'running' | 'draining' | 'stopped'

/** Runs handlers for an engine, in this process. */
export interface Worker {
  readonly state: WorkerState
  /** How many handlers run, and how many executions wait here to be run. */
  readonly load: { readonly running: number; readonly queued: number }
  /** Resolves when the worker is registered and asks for work. */
  start(): Promise<void>
  /**
   * Takes no more work, hands back what was not started, lets handlers come to their end, tells those that don't to
   * stop, and says goodbye. Repeating it waits for the same end.
   */
  drain(options?: { readonly graceMs?: number | undefined }): Promise<void>
}

/** Opens nothing yet: `start` does. Throws where a task has no handler, or a name does not parse. */
export function createWorker(options: WorkerOptions): Worker {
  return new PoolWorker(options)
}

class PoolWorker implements Worker {
  state: WorkerState = 'new'
  readonly #options: WorkerOptions
  readonly #core: WorkerCore
  readonly #stopping = new AbortController()
  readonly #queue: HeldLease[] = []
  readonly #work = new WorkMeter()
  readonly #lag: LagMeter
  readonly #prefetchMax: number
  readonly #deadlines = new DeadlineWatch()
  readonly #fetcher: Fetcher
  readonly #finisher: Finisher
  readonly #runner: Runner
  readonly #renewer: Renewer
  readonly #heart: Heart
  readonly #closeConnection: () => void
  readonly #running = new Set<HeldLease>()
  readonly #onSignal = () => void this.drain()
  #whenQuiet: (() => void) | undefined
  #isPumping = false
  #stopListening: (() => void) | undefined
  #draining: Promise<void> | undefined

  constructor(options: WorkerOptions) {
    this.#options = options
    // Every call that is tried again listens to it.
    setMaxListeners(0, this.#stopping.signal)
    const connection = openConnection(options.connect)
    this.#closeConnection = connection.close
    this.#core = createWorkerCore(options, connection, {
      stopped: this.#stopping.signal,
      onLost: (held) => this.#forgetQueued(held),
    })
    this.#lag = new LagMeter(this.#core.concurrency, options.lagMsMax ?? LAG_MS_DEFAULT)
    this.#prefetchMax = options.prefetchMax ?? this.#core.concurrency
    this.#fetcher = new Fetcher(this.#core, {
      room: () => this.#room(),
      accept: (leases) => this.#accept(leases),
    })
    this.#finisher = new Finisher(this.#core, this.#fetcher)
    this.#runner = new Runner(this.#core, options.tasks, options.middleware ?? [], {
      complete: (held, result) => {
        this.#leave(held, 'finishing')
        this.#finisher.complete(held, result)
      },
      fail: (held, end) => {
        this.#leave(held, 'finishing')
        this.#finisher.fail(held, end)
      },
      ignore: (held) => {
        this.#leave(held, 'gone')
        this.#fetcher.wake()
      },
    })
    this.#renewer = new Renewer(this.#core, (nowMs) => this.#handBackStale(nowMs))
    this.#heart = new Heart(this.#core, {
      active: () => this.#running.size,
      onDraining: (isDraining) => this.#fetcher.setPaused(isDraining),
    })
  }

  get load() {
    return { running: this.#running.size, queued: this.#queue.length }
  }

  async start(): Promise<void> {
    if (this.state !== 'new') throw new Error(`a worker is started once, and this one is ${this.state}`)
    this.state = 'running'
    for (const signal of this.#options.drainOn ?? []) process.once(signal, this.#onSignal)
    try {
      await this.#heart.start(this.#options.heartbeatMs ?? HEARTBEAT_MS_DEFAULT)
    } catch (error) {
      await this.drain({ graceMs: 0 })
      throw error
    }
    this.#stopListening = this.#core.backend.events.listen({
      types: ['attention'],
      onHint: (hint) => {
        if (hint.type === 'attention') this.#renewer.look(hint.executionId)
      },
    })
    this.#fetcher.wake()
  }

  drain({
    graceMs = this.#options.drainGraceMs ?? DRAIN_GRACE_MS_DEFAULT,
  }: {
    readonly graceMs?: number | undefined
  } = {}): Promise<void> {
    this.#draining ??= this.#drain(graceMs)
    return this.#draining
  }

  async #drain(graceMs: number): Promise<void> {
    const wasStarted = this.state === 'running'
    this.state = 'draining'
    for (const signal of this.#options.drainOn ?? []) process.off(signal, this.#onSignal)
    if (wasStarted) {
      await this.#fetcher.close()
      await this.#handBack(this.#queue.splice(0))
      await this.#quietWithin(graceMs)
      for (const held of this.#running)
        held.abort(new AbortReason('shutting_down', 'The worker is shutting down'))
      await this.#quietWithin(ABORT_GRACE_MS)
      await within(this.#finisher.whenIdle(), Math.max(graceMs, ABORT_GRACE_MS))
      this.#heart.stop()
      this.#stopListening?.()
      await this.#heart.sayGoodbye()
    }
    this.#stopping.abort()
    this.#heart.stop()
    this.#renewer.stop()
    this.#lag.stop()
    this.#deadlines.stop()
    this.#closeConnection()
    this.state = 'stopped'
  }

  /** Leases that could be used beside those that are here. */
  #room(): number {
    const { allowed, isLagging } = this.#lag
    const prefetch = isLagging ? 0 : Math.min(this.#prefetchMax, this.#work.prefetch(allowed))
    // A store that records more slowly than handlers end must not leave ever more of them unrecorded.
    const unrecorded = Math.max(0, this.#finisher.pending - unrecordedMax(this.#core.concurrency))
    const ahead = prefetch > 0 ? Math.min(AHEAD_MAX, this.#work.ahead(allowed)) : 0
    return allowed + prefetch + ahead - this.#running.size - this.#queue.length - unrecorded
  }

  #accept(leases: readonly ClaimedExecution[]): void {
    const now = performance.now()
    const fresh = leases
      .filter(({ handle }) => !this.#core.leases.has(handle))
      .map((lease) => new HeldLease(lease, now))
    for (const held of fresh) this.#core.leases.add(held)
    if (this.state !== 'running') {
      void this.#handBack(fresh)
      return
    }
    this.#queue.push(...fresh)
    this.#renewer.watch()
    this.#lag.watch(() => this.#running.size > 0)
    this.#pump()
  }

  /** Starts what waits, as far as there are slots. A handler that ends at once must not nest the next one in it. */
  #pump(): void {
    if (this.#isPumping || this.state !== 'running') return
    this.#isPumping = true
    while (this.#running.size < this.#lag.allowed) {
      const held = this.#queue.shift()
      if (held === undefined) break
      held.state = 'running'
      held.startedAtMs = performance.now()
      this.#running.add(held)
      this.#deadlines.add(held)
      this.#runner.run(held)
    }
    this.#isPumping = false
  }

  #leave(held: HeldLease, state: 'finishing' | 'gone'): void {
    this.#running.delete(held)
    this.#deadlines.remove(held)
    this.#core.progress.forget(held.claimed.handle)
    held.state = state
    if (state === 'gone') this.#core.leases.remove(held)
    this.#work.record(performance.now() - held.startedAtMs)
    if (this.#running.size === 0) this.#whenQuiet?.()
    this.#pump()
  }

  #forgetQueued(held: HeldLease): void {
    const at = this.#queue.indexOf(held)
    if (at < 0) return
    this.#queue.splice(at, 1)
    this.#fetcher.wake()
  }

  /** Work that waits behind handlers that take longer than was measured is for others to take. */
  #handBackStale(nowMs: number): void {
    if (this.#queue.length === 0) return
    const stale = this.#queue.filter((held) => nowMs - held.receivedAtMs > QUEUED_MS_MAX)
    if (stale.length === 0) return
    for (const held of this.#running) this.#work.raise(nowMs - held.startedAtMs)
    for (const held of stale) this.#queue.splice(this.#queue.indexOf(held), 1)
    void this.#handBack(stale)
  }

  /** Hands back what was not started, unharmed. If that fails, the leases run out. */
  async #handBack(unstarted: readonly HeldLease[]): Promise<void> {
    for (const held of unstarted)
      this.#core.drop(held, new AbortReason('lease_lost', 'It was handed back unstarted'))
    const { backend, namespaces } = this.#core
    for (let from = 0; from < unstarted.length; from += limits.yieldBatchMax) {
      const items = unstarted
        .slice(from, from + limits.yieldBatchMax)
        .map(({ claimed }) => ({ handle: claimed.handle }))
      try {
        await callSafely(() => backend.leases.yield({ namespaces, items }))
      } catch (error) {
        this.#core.logger.log('warn', 'unstarted work could not be handed back', { error: String(error) })
      }
    }
  }

  #quietWithin(ms: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve()
    const quiet = new Promise<void>((resolve) => {
      this.#whenQuiet = resolve
    })
    return within(quiet, ms)
  }
}

/** The promise, or nothing when the time is over. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  const enough = new AbortController()
  await Promise.race([promise, pause(ms, enough.signal)])
  enough.abort()
}

function unrecordedMax(concurrency: number): number {
  const { min, max } = UNRECORDED_PER_SLOT
  return Math.max(min * concurrency, Math.min(max * concurrency, UNRECORDED_MAX))
}
