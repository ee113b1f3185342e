/**
 * Without it: a crash between the last sibling's cancel and the drain leaves a tuple or a flag that nobody clears.
 * May: drop a tuple whose group is gone or undecided, and finish a drain whose siblings have all ended. Nothing else: while
 * a sibling runs, the dispatcher owns the group, and this leaves it byte for byte.
 * Twice is harmless: a tuple is dropped once, and a finished drain has no tuple.
 * The filter is not applied: it looks at a random sample, whoever's it is.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const reconciled: ScannerMetric = {
  name: 'sibling_cancel_reconcile_total',
  kind: 'counter',
  help: 'Pending sibling cancels that the reconciler looked at, by what it did.',
  label: 'action',
  values: ['sremmed_stale', 'completed_drain', 'no_op', 'malformed', 'error'],
}

export interface EdgeCancelReconcilerOptions {
  readonly max?: number | undefined
  /** Default 10 s; never below the dispatcher's. */
  readonly intervalMs?: number | undefined
}

export const edgeCancelReconcilerIntervalMs = 10_000

export function edgeCancelReconciler(options: EdgeCancelReconcilerOptions = {}): PartitionScanner {
  const max = options.max ?? limits.siblingReconcileSampleMax
  return {
    name: 'edge_cancel_reconciler',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['sibling_cancels'],
    pace: 'interval',
    intervalMs: options.intervalMs ?? edgeCancelReconcilerIntervalMs,
    appliesFilter: false,
    metrics: [reconciled],
    async scanPartition(context, partition) {
      const answer = await context.backend.resolution.reconcileSiblingCancels({
        partition,
        max: context.batch(max),
      })
      const tally = new PassTally()
      for (const item of answer.items) {
        context.count(reconciled, item.outcome)
        switch (item.outcome) {
          case 'sremmed_stale':
          case 'completed_drain':
            tally.processed++
            context.log('info', 'What a crash left of a sibling cancel was cleared', {
              tuple: item.tuple,
              action: item.outcome,
            })
            break
          case 'no_op':
            break
          case 'malformed':
          case 'error':
            tally.errors++
            context.log('warn', 'A pending sibling cancel could not be judged', {
              tuple: item.tuple,
              action: item.outcome,
            })
        }
      }
      // A sample says nothing about what was not drawn: the next one comes with the next interval.
      return tally.report()
    },
  }
}
