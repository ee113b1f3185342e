import type { FoundationBackend } from './contract/engine-backend.js'
import type { Hint } from './contract/events.js'
import type { PendingWork, PulseResult } from './contract/maintenance.js'
import type { PartitionFamily, PartitionTag } from './partitions/index.js'
import type { SendWebhook } from './webhooks/webhook-keeper.js'

/**
 * A background repair, as data for the supervisor, which owns the loop, the jitter, the back-off and the metrics.
 * Correctness never depends on when, where or how often a scanner runs.
 */
export type Scanner = PartitionScanner | PulseScanner

interface ScannerTraits {
  /** snake_case, the metric label. */
  readonly name: string
  /** All that it counts; what is not listed here is never counted. */
  readonly metrics: readonly ScannerMetric[]
  /** Whether it honours `ScanContext.filter`; where it does not, its file says why. */
  readonly appliesFilter: boolean
}

/** A pass over one partition. */
export interface PartitionScanner extends ScannerTraits {
  readonly scope: 'partition'
  readonly family: PartitionFamily
  /** What makes a pass worth while. `always`: every interval, whatever the pulse says. */
  readonly wakesOn: readonly (PendingWork | Hint['type'] | 'always')[]
  /** Whether a wake leads to a pass at once, or not before `intervalMs` after the one before. */
  readonly pace: 'at_once' | 'interval'
  /** Gives way to the others where passes queue; those by interval always do. */
  readonly isBackground?: boolean | undefined
  readonly intervalMs: number
  /** By interval: so long it may become where passes take long, so that they leave the store to its work. */
  readonly longestIntervalMs?: number | undefined
  /** The interval of an `always` scanner while nothing stirs in the partition and its last pass found nothing. */
  readonly quietIntervalMs?: number | undefined
  scanPartition(context: ScanContext, partition: PartitionTag): Promise<ScanReport>
  /** Hears every hint, also those of partitions that it does not scan. Does nothing that takes long. */
  hear?(context: ScanContext, hint: Hint): void
  /** After the last pass: waits for what its passes began, and records it. The engine's stop waits for it within its grace. */
  drain?(context: ScanContext): Promise<void>
}

/** A look at what a pulse answered, without a call of its own. */
export interface PulseScanner extends ScannerTraits {
  readonly scope: 'pulse'
  /** `nextDueAtMs` of the report asks for the next pulse earlier than usual. */
  readPulse(context: ScanContext, pulse: PulseResult): ScanReport
}

export interface ScanContext {
  /** The operations that it needs. */
  readonly backend: FoundationBackend
  readonly filter: ScannerFilter
  /** Aborted when the engine stops: a pass may end between two calls. */
  readonly signal: AbortSignal
  /** The store's time as the supervisor estimates it; only for metrics and for the next due time. */
  storeNowMs(): number
  /** The batch size that the store bears now: at most `max`, less after slow or failed passes. */
  batch(max: number): number
  /** Adds to a counter under one of the metric's fixed values; any other one is counted as `other`. */
  count(metric: ScannerMetric, value: string, by?: number): void
  /** Adds to a histogram, under one of the metric's fixed values. */
  observe(metric: ScannerMetric, value: string, amount: number): void
  /** Gives a hint to those who wait in this process. */
  announce(hint: Hint): void
  /** Asks for another pass of the scanner over a partition, that much later. `false`: this engine does not own it. */
  wake(partition: PartitionTag, inMs: number): boolean
  /** Makes the request of a webhook's delivery. */
  readonly sendWebhook: SendWebhook
  log(level: 'debug' | 'info' | 'warn', message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** A metric with one label whose values are known beforehand, so that no stored text ever becomes a label. */
export interface ScannerMetric {
  readonly name: string
  readonly kind: 'counter' | 'histogram'
  readonly help: string
  readonly label: string
  readonly values: readonly string[]
}

export interface ScanReport {
  /** What the pass changed; no-ops count nowhere. */
  readonly processed: number
  /** Items that failed; each is left as it was and seen again. */
  readonly errors: number
  readonly nextDueAtMs?: number | undefined
  /** Work was left at the pass's bound: run again at once. */
  readonly more?: boolean | undefined
}

/** Limits a pass to some objects; correctness never depends on it. */
export interface ScannerFilter {
  readonly namespaces?: readonly string[] | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
}
