/**
 * Without it: an execution that a defect dropped from an index is never claimed, promoted or removed, and nobody notices.
 * May: compare a sample of records with the indexes that their state demands, put right what provably is wrong, and
 * report states that should not exist. It decides no outcome.
 * Twice is harmless: a repaired index has nothing to repair, and a violation is only reported.
 * The filter is not applied: a stranger in an index may be of any namespace.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const found: ScannerMetric = {
  name: 'index_reconciler_found_total',
  kind: 'counter',
  help: 'Records whose indexes did not fit their state: repaired, impossible (violation), or not judged (error).',
  label: 'finding',
  values: ['repaired', 'violation', 'error'],
}

export interface IndexReconcilerOptions {
  readonly max?: number | undefined
  readonly intervalMs?: number | undefined
  readonly quietIntervalMs?: number | undefined
}

export function indexReconciler(options: IndexReconcilerOptions = {}): PartitionScanner {
  const max = options.max ?? SAMPLE_MAX
  const intervalMs = options.intervalMs ?? 45_000
  return {
    name: 'index_reconciler',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['always'],
    pace: 'interval',
    intervalMs,
    quietIntervalMs: Math.max(options.quietIntervalMs ?? 300_000, intervalMs),
    appliesFilter: false,
    metrics: [found],
    async scanPartition(context, partition) {
      const answer = await context.backend.maintenance.reconcileIndexes({
        partition,
        max: context.batch(max),
      })
      const tally = new PassTally()
      for (const { outcome, id, finding } of answer.items) {
        context.count(found, outcome)
        if (outcome === 'repaired') tally.processed++
        else tally.errors++
        context.log('warn', 'A record did not fit its indexes', { id, finding, outcome })
      }
      // A sample is never finished; the next one comes with the next interval.
      return tally.report()
    },
  }
}

const SAMPLE_MAX = Math.min(200, limits.scannerBatchMax)
