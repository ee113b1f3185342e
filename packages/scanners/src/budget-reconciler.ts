/**
 * Without it: reservations whose execution does not run, and counts that are not what their entries add up to, as a crash or a fault of the store may leave them, would hold back
 * others for ever.
 * May: give back what is provably stale, by looking at the execution that it names.
 * Twice is harmless: what was given back is held no more.
 * The filter is not applied: what one tenant leaves behind holds back who shares the budget with it.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const found: ScannerMetric = {
  name: 'budget_reconciler_found_total',
  kind: 'counter',
  help: 'What the reconciler of budgets found wrong; nothing in a healthy system.',
  label: 'outcome',
  values: ['released', 'drift', 'error'],
}

export interface BudgetReconcilerOptions {
  readonly intervalMs?: number | undefined
  readonly max?: number | undefined
}

export function budgetReconciler(options: BudgetReconcilerOptions = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'budget_reconciler',
    scope: 'partition',
    family: 'budget',
    wakesOn: ['always'],
    pace: 'interval',
    intervalMs: options.intervalMs ?? 30_000,
    quietIntervalMs: 300_000,
    appliesFilter: false,
    metrics: [found],
    async scanPartition(context, partition) {
      const answer = await context.backend.budgets.reconcile({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const item of answer.items) {
        context.count(found, item.outcome)
        if (item.outcome === 'error') tally.errors++
        else tally.processed++
        context.log('warn', 'A budget was not as its holders have it', { ...item })
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
