import type { PartitionScanner, PartitionTag, ScanReport } from '@flowfabric/core'
import { pauseAfter } from '../pause.js'

/**
 * One scanner on one partition: whether it should run, may run, and how its last passes went. It holds the overlap guard
 * and the back-off, so that a partition that fails holds up nobody but itself.
 */
export class ScanSlot {
  readonly scanner: PartitionScanner
  readonly partition: PartitionTag
  /** Taken away from this engine: what still runs may end, nothing begins. */
  isDropped = false
  isRunning = false
  /** Waits for its turn. */
  isQueued = false
  failures = 0
  #isWanted = false
  #lastStartMs: number
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #foundSomething = true
  #passMs = 0
  #stirredAtMs: number

  /** A new owner spreads the first passes of what runs by interval over that interval. */
  constructor(scanner: PartitionScanner, partition: PartitionTag, nowMs: number, random: () => number) {
    this.scanner = scanner
    this.partition = partition
    this.#lastStartMs = nowMs - random() * scanner.intervalMs
    this.#stirredAtMs = nowMs
  }

  get isUrgent(): boolean {
    return this.scanner.pace === 'at_once' && this.scanner.isBackground !== true
  }

  /** There is, or may be, work for it. */
  want(): void {
    this.#isWanted = true
  }

  /** Something happened in its partition. */
  stir(nowMs: number): void {
    this.#stirredAtMs = nowMs
  }

  /** Whether a pass should begin now. */
  isDue(nowMs: number): boolean {
    if (this.isDropped || this.isRunning || this.isQueued || nowMs < this.#notBeforeMs) return false
    const sinceStartMs = nowMs - this.#lastStartMs
    if (this.#isWanted) return this.scanner.pace === 'at_once' || sinceStartMs >= this.#intervalMs()
    return this.scanner.wakesOn.includes('always') && sinceStartMs >= this.#alwaysIntervalMs()
  }

  begin(nowMs: number): void {
    this.isQueued = false
    this.isRunning = true
    this.#isWanted = false
    this.#lastStartMs = nowMs
  }

  /** Takes what a pass answered; says whether the next one should follow at once. */
  finish(report: ScanReport, nowMs: number): boolean {
    this.isRunning = false
    this.#passMs = nowMs - this.#lastStartMs
    this.#foundSomething = report.processed > 0 || report.errors > 0
    this.failures = 0
    if (report.more !== true) return false
    // A pass that stopped at its bound without getting on would spin; the next pulse brings it back.
    this.#isWanted = true
    return report.processed > 0
  }

  /** The pass failed, or found only what fails: it comes back after a pause that grows. */
  fail(nowMs: number, random: () => number): void {
    this.isRunning = false
    this.failures++
    this.#foundSomething = true
    this.#isWanted = true
    this.#notBeforeMs = nowMs + pauseAfter(this.failures, failurePause, random)
  }

  /** The store was away, and is back: what failed meanwhile is no reason to wait. */
  forgive(): void {
    this.failures = 0
    this.#notBeforeMs = Number.NEGATIVE_INFINITY
  }

  #intervalMs(): number {
    const { intervalMs, longestIntervalMs = intervalMs } = this.scanner
    return Math.min(Math.max(intervalMs, this.#passMs * REST_PER_PASS), longestIntervalMs)
  }

  #alwaysIntervalMs(): number {
    const { quietIntervalMs } = this.scanner
    const isQuiet = !this.#foundSomething && this.#stirredAtMs <= this.#lastStartMs
    return isQuiet && quietIntervalMs !== undefined ? quietIntervalMs : this.#intervalMs()
  }
}

/** A store has some dozens of partitions: so all their passes together take a tenth of one connection's time at most. */
const REST_PER_PASS = 400

/** Not long: a store whose writes wait for a replica that is away answers its pulses all the while. */
const failurePause = { initialMs: 500, maxMs: 15_000 }
