import type { FoundationBackend } from './contract/engine-backend.js'
import type { Hint } from './contract/events.js'
import type { PendingWork } from './contract/maintenance.js'
import type { PartitionFamily, PartitionTag } from './partitions/index.js'

/**
 * A background repair: a pure pass over one partition, as data for the supervisor, which owns the loop, the jitter, the
 * back-off and the metrics. Correctness never depends on when, where or how often a scanner runs.
 */
export interface Scanner {
  /** snake_case, the metric label. */
  readonly name: string
  readonly family: PartitionFamily
  /** At most this long between two passes while there may be work; hints and pulses bring it forward. */
  readonly intervalMs: number
  /** What makes a pass worth while. `always`: every interval. */
  readonly wakesOn: readonly (PendingWork | Hint['type'] | 'always')[]
  /** The operations that it needs. */
  scanPartition(context: ScanContext, partition: PartitionTag): Promise<ScanReport>
}

export interface ScanContext {
  readonly backend: FoundationBackend
  readonly filter: ScannerFilter
  readonly signal: AbortSignal
  /** Counts an outcome under one of the scanner's fixed labels; an unknown one is counted as `other`. */
  count(outcome: string, by?: number): void
  log(level: 'debug' | 'info' | 'warn', message: string, fields?: Readonly<Record<string, unknown>>): void
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
