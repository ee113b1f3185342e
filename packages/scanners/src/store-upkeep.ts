/**
 * Without it: what only the store knows it needs is never done, such as numbering events, folding counts, or vacuuming.
 * May: whatever the store does to itself. Nothing that a caller can see changes but the feed's length and the speed.
 * Twice is harmless: each such task is the store's own and finds nothing left to do.
 * The filter is not applied: a store is kept as a whole.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const kept: ScannerMetric = {
  name: 'store_upkeep_total',
  kind: 'counter',
  help: 'Pieces of housekeeping that the store did.',
  label: 'outcome',
  values: ['done'],
}

export function storeUpkeep(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'store_upkeep',
    scope: 'partition',
    family: 'flow',
    // A feed that grew is numbered by the next pulse at the latest; hints would have it done for every event.
    wakesOn: ['upkeep'],
    pace: 'at_once',
    isBackground: true,
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [kept],
    async scanPartition(context, partition) {
      const answer = await context.backend.maintenance.upkeep({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const { task, count } of answer.items) {
        tally.processed += count
        context.count(kept, 'done', count)
        context.log('debug', 'The store kept its house', { task, count, partition })
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
