/**
 * Without it: an edge that a defect or a lost outbox entry left pending behind an ended upstream blocks its node for ever.
 * It is the net under the dispatcher; in a healthy system it finds nothing, and its metric says so.
 * May: resolve pending edges whose upstream is terminal from that upstream's recorded outcome, and mark groups that their
 * counters decide.
 * Twice is harmless: an edge resolves once and a group decides once.
 * The filter is not applied: whoever waits downstream may be of another tag.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const found: ScannerMetric = {
  name: 'dependency_reconciler_found_total',
  kind: 'counter',
  help: 'What the net caught: edges left pending, groups left unmarked, policies of a newer version, failures.',
  label: 'finding',
  values: ['edge_resolved', 'group_decided', 'unknown_policy', 'error'],
}

export interface DependencyReconcilerOptions {
  readonly max?: number | undefined
  readonly intervalMs?: number | undefined
  readonly quietIntervalMs?: number | undefined
}

export function dependencyReconciler(options: DependencyReconcilerOptions = {}): PartitionScanner {
  const max = options.max ?? limits.dependencyReconcileMax
  const intervalMs = options.intervalMs ?? 15_000
  return {
    name: 'dependency_reconciler',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['always'],
    pace: 'interval',
    intervalMs,
    // Nothing stirred since a pass that found nothing: there can be nothing new to find but by a defect.
    quietIntervalMs: Math.max(options.quietIntervalMs ?? 120_000, intervalMs),
    appliesFilter: false,
    metrics: [found],
    async scanPartition(context, partition) {
      const answer = await context.backend.resolution.reconcileDependencies({
        partition,
        max: context.batch(max),
      })
      const tally = new PassTally()
      for (const item of answer.items) {
        context.count(found, item.outcome)
        const fields = { flow: item.flowId, execution: item.executionId, finding: item.outcome }
        switch (item.outcome) {
          case 'edge_resolved':
          case 'group_decided':
            tally.processed++
            context.log('warn', 'The net under the dispatcher caught something', fields)
            break
          case 'unknown_policy':
            // Not a failure: it waits for an engine that knows the policy.
            context.log('info', 'A group waits for a newer version', fields)
            break
          case 'error':
            tally.errors++
            context.log('warn', 'A dependency could not be reconciled', fields)
        }
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
