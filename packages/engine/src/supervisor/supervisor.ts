import {
  type FoundationBackend,
  type Hint,
  type PartitionScanner,
  type PartitionTag,
  type PulseResult,
  type PulseScanner,
  partitionOfTag,
  type ScanContext,
  type Scanner,
  type ScannerFilter,
  type SendWebhook,
} from '@flowfabric/core'
import type { Clock, Timer } from '../clock.js'
import { errorFields, type Logger } from '../logger.js'
import type { EngineMetrics } from '../metrics/engine-metrics.js'
import type { ScannerMeter } from '../metrics/scanner-metrics.js'
import { BatchSizer } from './batch-sizer.js'
import { DueAims } from './due-aims.js'
import { PassQueue } from './pass-queue.js'
import { PulseLoop } from './pulse-loop.js'
import { ScanSlot } from './scan-slot.js'
import { StoreClock } from './store-clock.js'

export interface SupervisorOptions {
  readonly backend: FoundationBackend
  readonly scanners: readonly Scanner[]
  readonly filter: ScannerFilter
  readonly pulseIntervalMs: number
  /** The shortest time between two pulses that hints ask for. */
  readonly pulseGapMs: number
  readonly passesMax: number
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: EngineMetrics
  readonly scannerMeter: ScannerMeter
  /** Takes the hints that scanners announce. */
  readonly announce: (hint: Hint) => void
  readonly sendWebhook: SendWebhook
}

/**
 * Runs the scanners over the partitions that this engine owns: one cheap pulse a second tells where something is pending
 * or due, hints and a timer of its own bring it forward, and only then a scanner makes a call. Loop, jitter, overlap
 * guard, back-off and metrics are here, once, for all of them.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #partitionScanners: readonly PartitionScanner[]
  readonly #pulseScanners: readonly PulseScanner[]
  readonly #hearing: readonly PartitionScanner[]
  readonly #slots = new Map<PartitionTag, readonly ScanSlot[]>()
  readonly #contexts: ReadonlyMap<Scanner, ScanContext>
  readonly #sizers: ReadonlyMap<Scanner, BatchSizer>
  readonly #storeClock: StoreClock
  readonly #aims: DueAims<ScanSlot>
  readonly #queue: PassQueue
  readonly #pulses: PulseLoop
  readonly #abort = new AbortController()
  readonly #futileAims = new Map<ScanSlot, number>()
  /** When scanners asked for another pass. */
  readonly #wakes = new Map<ScanSlot, { readonly atMs: number; readonly timer: Timer }>()

  constructor(options: SupervisorOptions) {
    const { scanners, clock } = options
    this.#options = options
    this.#partitionScanners = scanners.filter((scanner) => scanner.scope === 'partition')
    this.#pulseScanners = scanners.filter((scanner) => scanner.scope === 'pulse')
    this.#hearing = this.#partitionScanners.filter((scanner) => scanner.hear !== undefined)
    this.#sizers = new Map(scanners.map((scanner) => [scanner, new BatchSizer()]))
    this.#contexts = new Map(scanners.map((scanner) => [scanner, this.#contextFor(scanner)]))
    this.#storeClock = new StoreClock(clock)
    this.#aims = new DueAims(clock, this.#storeClock, (slot) => this.#wake(slot))
    this.#queue = new PassQueue(options.passesMax)
    this.#pulses = new PulseLoop({
      maintenance: options.backend.maintenance,
      intervalMs: options.pulseIntervalMs,
      gapMs: options.pulseGapMs,
      clock,
      random: options.random,
      logger: options.logger,
      storeClock: this.#storeClock,
      onBack: () => this.#forgive(),
      onPulse: (pulse) => this.#takePulse(pulse),
      onEnd: (outcome) => options.metrics.pulses.add(1, { outcome }),
    })
  }

  /** How long ago a pulse last succeeded; `undefined` before the first. */
  get pulseAgeMs(): number | undefined {
    return this.#pulses.ageMs
  }

  /** Slots whose last pass failed, by scanner. */
  get failing(): ReadonlyMap<string, number> {
    const failing = new Map<string, number>()
    for (const slot of this.#allSlots()) {
      if (slot.failures > 0) failing.set(slot.scanner.name, (failing.get(slot.scanner.name) ?? 0) + 1)
    }
    return failing
  }

  start(): void {
    this.#pulses.start()
  }

  /** Begins nothing more; resolves when the passes that run have ended, and what they began. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#pulses.stop()
    this.#aims.clear()
    for (const { timer } of this.#wakes.values()) timer.cancel()
    this.#wakes.clear()
    for (const slot of this.#allSlots()) slot.isDropped = true
    this.#queue.clear()
    await this.#queue.idle()
    await Promise.all(this.#partitionScanners.map((scanner) => this.#drain(scanner)))
  }

  /** Takes the partitions that this engine owns from now on. */
  own(partitions: readonly PartitionTag[]): void {
    const owned = new Set(partitions)
    for (const [partition, slots] of this.#slots) {
      if (owned.has(partition)) continue
      for (const slot of slots) this.#drop(slot)
      this.#slots.delete(partition)
    }
    for (const partition of partitions) {
      if (!this.#slots.has(partition)) this.#slots.set(partition, this.#slotsFor(partition))
    }
    this.#options.metrics.partitionsOwned.set(partitions.length)
    this.#pulses.watch(partitions)
  }

  /** Hints about partitions of others are theirs. */
  takeHint(hint: Hint): void {
    for (const scanner of this.#hearing) scanner.hear?.(this.#contextOf(scanner), hint)
    if (!('partition' in hint)) return
    const slots = this.#slots.get(hint.partition)
    if (slots === undefined) return
    const nowMs = this.#options.clock.nowMs()
    for (const slot of slots) {
      slot.stir(nowMs)
      if (hint.type === 'due' && slot.scanner.wakesOn.includes('due')) {
        this.#aims.bringForward(slot, hint.dueAtMs)
      } else if (slot.scanner.wakesOn.includes(hint.type)) this.#wake(slot)
    }
    // Whatever else the hint's cause left pending shows in a pulse.
    if (hint.type === 'outbox') this.#pulses.askSoon(hint.partition)
  }

  #slotsFor(partition: PartitionTag): readonly ScanSlot[] {
    const { clock, random } = this.#options
    const { family } = partitionOfTag(partition)
    return this.#partitionScanners
      .filter((scanner) => scanner.family === family)
      .map((scanner) => new ScanSlot(scanner, partition, clock.nowMs(), random))
  }

  #drop(slot: ScanSlot): void {
    slot.isDropped = true
    this.#aims.set(slot, undefined)
    this.#wakes.get(slot)?.timer.cancel()
    this.#wakes.delete(slot)
    this.#futileAims.delete(slot)
  }

  *#allSlots(): Iterable<ScanSlot> {
    for (const slots of this.#slots.values()) yield* slots
  }

  #takePulse(pulse: PulseResult): number | undefined {
    const nowMs = this.#options.clock.nowMs()
    this.#aims.realign()
    for (const { partition, pending, nextDueAtMs } of pulse.partitions) {
      for (const slot of this.#slots.get(partition) ?? []) {
        if (pending.length > 0) slot.stir(nowMs)
        if (pending.some((work) => slot.scanner.wakesOn.includes(work))) slot.want()
        if (nextDueAtMs !== null && slot.scanner.wakesOn.includes('due') && !slot.isRunning) {
          if (!this.#futileAims.has(slot)) this.#aims.bringForward(slot, nextDueAtMs)
        }
      }
    }
    for (const slot of this.#allSlots()) this.#runIfDue(slot)
    return this.#readPulse(pulse)
  }

  /** A store that was away failed all passes alike. Once it answers, none of them waits for what it made of that. */
  #forgive(): void {
    for (const slot of this.#allSlots()) slot.forgive()
    for (const scanner of this.#partitionScanners) {
      this.#options.metrics.failingPartitions.set(0, { scanner: scanner.name })
    }
  }

  /** Lets the pulse scanners look; answers in how many ms the earliest of them wants the next pulse. */
  #readPulse(pulse: PulseResult): number | undefined {
    const { metrics, logger } = this.#options
    let soonestMs: number | undefined
    for (const scanner of this.#pulseScanners) {
      try {
        const report = scanner.readPulse(this.#contextOf(scanner), pulse)
        metrics.scanned.add(report.processed, { scanner: scanner.name, result: 'processed' })
        if (report.nextDueAtMs === undefined) continue
        const inMs = Math.max(report.nextDueAtMs - pulse.nowMs, 0)
        soonestMs = soonestMs === undefined ? inMs : Math.min(soonestMs, inMs)
      } catch (error) {
        metrics.scanned.add(1, { scanner: scanner.name, result: 'error' })
        logger.log('error', 'A scanner failed on a pulse', { scanner: scanner.name, ...errorFields(error) })
      }
    }
    return soonestMs
  }

  #wake(slot: ScanSlot): void {
    slot.want()
    this.#runIfDue(slot)
  }

  #runIfDue(slot: ScanSlot): void {
    if (this.#abort.signal.aborted || !slot.isDue(this.#options.clock.nowMs())) return
    slot.isQueued = true
    this.#queue.add(() => this.#pass(slot), slot.isUrgent)
  }

  async #pass(slot: ScanSlot): Promise<void> {
    const { clock, random, logger, metrics } = this.#options
    const { scanner, partition } = slot
    if (slot.isDropped) return
    const startedAtMs = clock.nowMs()
    const failuresBefore = slot.failures
    slot.begin(startedAtMs)
    // What hints say about due times from here on is not in this pass's answer, so it is kept apart from it.
    this.#aims.set(slot, undefined)
    let failed = false
    let done = 0
    let again = false
    try {
      const report = await scanner.scanPartition(this.#contextOf(scanner), partition)
      metrics.scanned.add(report.processed, { scanner: scanner.name, result: 'processed' })
      metrics.scanned.add(report.errors, { scanner: scanner.name, result: 'error' })
      // A pass that only fails must wait like one that threw, or a poisoned item would be tried in a tight loop.
      failed = report.errors > 0 && report.processed === 0
      done = report.processed + report.errors
      if (failed) slot.fail(clock.nowMs(), random)
      else again = slot.finish(report, clock.nowMs())
      if (!slot.isDropped) this.#aimNext(slot, report.nextDueAtMs, report.processed > 0)
    } catch (error) {
      failed = true
      slot.fail(clock.nowMs(), random)
      const level = this.#abort.signal.aborted ? 'debug' : 'warn'
      const fields = { scanner: scanner.name, partition, failures: slot.failures, ...errorFields(error) }
      logger.log(level, 'A pass failed', fields)
    }
    const durationMs = clock.nowMs() - startedAtMs
    this.#sizers.get(scanner)?.record({ failed, durationMs, done })
    metrics.passes.add(1, { scanner: scanner.name, outcome: failed ? 'failed' : 'ok' })
    metrics.passMs.observe(durationMs, { scanner: scanner.name })
    if (slot.failures !== failuresBefore) {
      metrics.failingPartitions.set(this.failing.get(scanner.name) ?? 0, { scanner: scanner.name })
    }
    if (again) this.#wake(slot)
    else this.#runIfDue(slot)
  }

  /**
   * Aims at the slot's next due time. When the store found nothing at a time at which this process thought it due, the
   * two clocks differ: it looks again after a pause that grows, and the next pulse puts the clock right.
   */
  #aimNext(slot: ScanSlot, nextDueAtMs: number | undefined, foundSomething: boolean): void {
    const nowMs = this.#storeClock.nowMs()
    if (foundSomething || nextDueAtMs === undefined || nextDueAtMs > nowMs) {
      this.#futileAims.delete(slot)
      if (nextDueAtMs !== undefined) this.#aims.bringForward(slot, nextDueAtMs)
      return
    }
    const futile = (this.#futileAims.get(slot) ?? 0) + 1
    this.#futileAims.set(slot, futile)
    this.#aims.bringForward(slot, nowMs + Math.min(2 * 3 ** futile, 1_000))
  }

  /** By this process's clock: what a scanner waits for here is no time of the store's. */
  #wakeIn(scanner: Scanner, partition: PartitionTag, inMs: number): boolean {
    const slot = this.#slots.get(partition)?.find((each) => each.scanner === scanner)
    if (slot === undefined || this.#abort.signal.aborted) return false
    const { clock } = this.#options
    const atMs = clock.nowMs() + inMs
    const planned = this.#wakes.get(slot)
    if (planned !== undefined && planned.atMs <= atMs) return true
    planned?.timer.cancel()
    const wake = () => {
      this.#wakes.delete(slot)
      this.#wake(slot)
    }
    this.#wakes.set(slot, { atMs, timer: clock.setTimer(inMs, wake) })
    return true
  }

  async #drain(scanner: PartitionScanner): Promise<void> {
    try {
      await scanner.drain?.(this.#contextOf(scanner))
    } catch (error) {
      const fields = { scanner: scanner.name, ...errorFields(error) }
      this.#options.logger.log('warn', 'What a scanner had begun could not be recorded', fields)
    }
  }

  #contextOf(scanner: Scanner): ScanContext {
    const context = this.#contexts.get(scanner)
    if (context === undefined) throw new Error(`no context for scanner ${scanner.name}`)
    return context
  }

  #contextFor(scanner: Scanner): ScanContext {
    const { backend, filter, scannerMeter, announce, sendWebhook, logger } = this.#options
    return {
      backend,
      filter,
      signal: this.#abort.signal,
      storeNowMs: () => this.#storeClock.nowMs(),
      batch: (max) => this.#sizers.get(scanner)?.size(max) ?? max,
      count: (metric, value, by = 1) => scannerMeter.count(scanner, metric, value, by),
      observe: (metric, value, amount) => scannerMeter.observe(scanner, metric, value, amount),
      announce,
      wake: (partition, inMs) => this.#wakeIn(scanner, partition, inMs),
      sendWebhook,
      log: (level, message, fields) => logger.log(level, message, { scanner: scanner.name, ...fields }),
    }
  }
}
