/**
 * Without it: no bulk operation would ever do anything, and a batch that a dead process had begun would stay half done.
 * May: record batches of a partition's bulk operations, cancel and replay what they name, and remove those that ended long ago.
 * Twice is harmless: of two runners that take a batch one writes, and each item holds for the generation that was recorded.
 * The filter is not applied: an operation that is skipped would stay the earliest one and be looked at for ever.
 */
import { limits, operationAdvanceOutcomes, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const advanced: ScannerMetric = {
  name: 'operation_advances_total',
  kind: 'counter',
  help: 'Calls that worked on a bulk operation, by what became of it.',
  label: 'outcome',
  values: operationAdvanceOutcomes,
}

export function operationRunner(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'operation_runner',
    scope: 'partition',
    family: 'quota',
    wakesOn: ['operations', 'due'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [advanced],
    async scanPartition(context, partition) {
      const answer = await context.backend.operations.advance({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const { outcome, operationId, done, unchanged, failed, code } of answer.items) {
        context.count(advanced, outcome)
        if (outcome === 'error') {
          tally.errors++
          context.log('warn', 'A bulk operation could not go on', { operationId, code })
        }
        tally.processed += done + failed
        if (outcome === 'completed')
          context.log('info', 'A bulk operation came to its end', { operationId, done, unchanged, failed })
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
