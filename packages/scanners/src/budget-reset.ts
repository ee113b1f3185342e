/**
 * Without it: the periods of budgets would not begin, and what waits for one would wait for ever.
 * May: begin periods that are due in a partition.
 * Twice is harmless: a period that was begun is due no more.
 * The filter is not applied: a budget that is skipped would stay the earliest one and be looked at for ever.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const resets: ScannerMetric = {
  name: 'budget_resets_total',
  kind: 'counter',
  help: 'Periods of budgets that were begun when they were due.',
  label: 'outcome',
  values: ['reset'],
}

export function budgetReset(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'budget_reset',
    scope: 'partition',
    family: 'budget',
    wakesOn: ['budget_resets', 'due'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [resets],
    async scanPartition(context, partition) {
      const answer = await context.backend.budgets.resetDue({ partition, max: context.batch(max) })
      const tally = new PassTally()
      tally.processed = answer.items.length
      context.count(resets, 'reset', answer.items.length)
      tally.close(answer)
      return tally.report()
    },
  }
}
