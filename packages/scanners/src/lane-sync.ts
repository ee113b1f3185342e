/**
 * Without it: a caller that died in the middle of pausing or changing a lane leaves partitions with the old settings.
 * May: bring a partition's copies of lane records up to their home's version.
 * Twice is harmless: copies carry versions, and a newer one is never replaced by an older one.
 * The filter is not applied: a half-changed lane is wrong for everyone.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const synced: ScannerMetric = {
  name: 'lane_copies_synced_total',
  kind: 'counter',
  help: 'Copies of lane records that were finished for a caller that had died.',
  label: 'outcome',
  values: ['synced'],
}

export function laneSync(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'lane_sync',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['lane_copies'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [synced],
    async scanPartition(context, partition) {
      const answer = await context.backend.lanes.syncCopies({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const { namespace, lane, outcome } of answer.items) {
        tally.processed++
        context.count(synced, outcome)
        context.log('info', 'A half-changed lane was brought up to date', { namespace, lane, partition })
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
