/**
 * Without it: what has ended is kept for ever, and the store grows without bound.
 * May: remove what is past its retention, with everything that belongs to it, in bounded batches; expired idempotency keys,
 * old events, old entries of the audit log and tokens that ended long ago too.
 * Twice is harmless: what is gone is not found, and a removal that was cut short goes on where it stopped.
 * The filter is not applied: retention is promised to all.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const removedKinds = ['execution', 'flow', 'idempotency_key', 'event', 'token', 'audit_entry'] as const

const removed: ScannerMetric = {
  name: 'retention_removed_total',
  kind: 'counter',
  help: 'What was past its retention and was removed.',
  label: 'what',
  values: removedKinds,
}

const failed: ScannerMetric = {
  name: 'retention_failed_total',
  kind: 'counter',
  help: 'What was past its retention and could not be removed.',
  label: 'what',
  values: removedKinds,
}

export function retentionTrimmer(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'retention_trimmer',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['retention'],
    // What ends thousands of times a second is past its retention as often: an interval for each batch would fall behind.
    pace: 'at_once',
    isBackground: true,
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [removed, failed],
    async scanPartition(context, partition) {
      const answer = await context.backend.maintenance.trimRetention({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const { outcome, what, count } of answer.items) {
        if (outcome === 'removed') {
          tally.processed += count
          context.count(removed, what, count)
        } else {
          tally.errors++
          context.count(failed, what, count)
          context.log('warn', 'What is past its retention could not be removed', { what, count, partition })
        }
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
