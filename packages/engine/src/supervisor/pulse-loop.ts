import type { MaintenanceOperations, PartitionTag, PulseResult } from '@flowfabric/core'
import type { Clock, Timer } from '../clock.js'
import { errorFields, type Logger } from '../logger.js'
import { jitter, pauseAfter } from '../pause.js'
import type { StoreClock } from './store-clock.js'

export interface PulseLoopOptions {
  readonly maintenance: Pick<MaintenanceOperations, 'pulse'>
  readonly intervalMs: number
  readonly gapMs: number
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly storeClock: StoreClock
  /** Takes what a pulse answered; may answer in how many ms the next one is wanted, if sooner than usual. */
  readonly onPulse: (pulse: PulseResult) => number | undefined
  /** A pulse was answered after others were not. Comes before `onPulse`. */
  readonly onBack: () => void
  readonly onEnd: (outcome: 'ok' | 'failed') => void
}

/**
 * Asks for the pulse of the watched partitions: of all of them once per interval, in one call, and in between of those that
 * hints named, never more often than the gap allows. One pulse at a time.
 */
export class PulseLoop {
  readonly #options: PulseLoopOptions
  #watched: readonly PartitionTag[] = []
  readonly #asked = new Set<PartitionTag>()
  #regular: Timer | undefined
  #extra: Timer | undefined
  #isPulsing = false
  #regularIsDue = false
  #lastEndMs = Number.NEGATIVE_INFINITY
  #lastSuccessMs: number | undefined
  #failures = 0
  #isStopped = true

  constructor(options: PulseLoopOptions) {
    this.#options = options
  }

  get ageMs(): number | undefined {
    return this.#lastSuccessMs === undefined ? undefined : this.#options.clock.nowMs() - this.#lastSuccessMs
  }

  start(): void {
    this.#isStopped = false
    this.#planRegular(0)
  }

  stop(): void {
    this.#isStopped = true
    this.#regular?.cancel()
    this.#extra?.cancel()
    this.#extra = undefined
    this.#asked.clear()
  }

  /** New partitions are looked at at once. */
  watch(partitions: readonly PartitionTag[]): void {
    const known = new Set(this.#watched)
    this.#watched = partitions
    if (this.#isStopped) return
    for (const partition of partitions) if (!known.has(partition)) this.askSoon(partition)
  }

  /** Asks about one partition as soon as the gap allows. */
  askSoon(partition: PartitionTag): void {
    if (this.#isStopped) return
    this.#asked.add(partition)
    this.#planExtra()
  }

  #planExtra(): void {
    // A store that doesn't answer is left to the regular pulses and their back-off.
    if (this.#extra !== undefined || this.#isPulsing || this.#failures > 0) return
    const { clock, gapMs } = this.#options
    const delayMs = Math.max(this.#lastEndMs + gapMs - clock.nowMs(), 0)
    this.#extra = clock.setTimer(delayMs, () => {
      this.#extra = undefined
      void this.#pulse([...this.#asked])
    })
  }

  #planRegular(delayMs: number): void {
    this.#regular?.cancel()
    if (this.#isStopped) return
    this.#regular = this.#options.clock.setTimer(delayMs, () => {
      if (this.#isPulsing) this.#regularIsDue = true
      else void this.#pulseAll()
    })
  }

  async #pulseAll(): Promise<void> {
    this.#regularIsDue = false
    const wantedInMs = await this.#pulse(this.#watched)
    const { intervalMs, random } = this.#options
    const usualMs =
      this.#failures > 0 ? pauseAfter(this.#failures, awayPause, random) : jitter(intervalMs, random)
    this.#planRegular(wantedInMs === undefined ? usualMs : Math.min(usualMs, wantedInMs))
  }

  async #pulse(partitions: readonly PartitionTag[]): Promise<number | undefined> {
    for (const partition of partitions) this.#asked.delete(partition)
    if (this.#isStopped || partitions.length === 0) return undefined
    const { maintenance, clock, storeClock, logger, onBack, onPulse, onEnd } = this.#options
    this.#isPulsing = true
    let wantedInMs: number | undefined
    try {
      for (let from = 0; from < partitions.length; from += PARTITIONS_PER_PULSE) {
        const sentAtMs = clock.nowMs()
        const pulse = await maintenance.pulse({
          partitions: partitions.slice(from, from + PARTITIONS_PER_PULSE),
        })
        if (this.#isStopped) return undefined
        storeClock.read(pulse.nowMs, sentAtMs, clock.nowMs())
        if (this.#failures > 0) onBack()
        this.#failures = 0
        const inMs = onPulse(pulse)
        if (inMs !== undefined) wantedInMs = Math.min(wantedInMs ?? inMs, inMs)
      }
      this.#lastSuccessMs = clock.nowMs()
      onEnd('ok')
    } catch (error) {
      this.#failures++
      onEnd('failed')
      const level = this.#failures === 1 ? 'warn' : 'debug'
      logger.log(level, 'The store did not answer a pulse', {
        failures: this.#failures,
        ...errorFields(error),
      })
    } finally {
      this.#isPulsing = false
      this.#lastEndMs = clock.nowMs()
    }
    if (this.#regularIsDue) void this.#pulseAll()
    else if (this.#asked.size > 0) this.#planExtra()
    return wantedInMs
  }
}

/** One call stays one bounded statement, however many partitions a deployment has. */
const PARTITIONS_PER_PULSE = 1_024
/** A store that was away briefly is not left alone for long, and one that is away for long is not asked all the time. */
const awayPause = { initialMs: 200, maxMs: 5_000 }
