/**
 * Without it: a large flow that is being cancelled, or one whose caller died in the middle, stays cancelling for ever.
 * May: cancel the next members of cancelling flows in bounded batches, and settle those whose members have all ended.
 * Twice is harmless: an ended member is passed over, and a settled flow has no backlog.
 * The filter is not applied: the backlog is the flow's, whatever its members' tags.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const backlog: ScannerMetric = {
  name: 'flow_cancel_backlog_total',
  kind: 'counter',
  help: 'Cancelling flows that a pass looked at, by how far they came.',
  label: 'outcome',
  values: ['advanced', 'done', 'error'],
}

const members: ScannerMetric = {
  name: 'flow_cancel_members_total',
  kind: 'counter',
  help: 'Members that were cancelled with their flow, in the background.',
  label: 'outcome',
  values: ['cancelled'],
}

export interface CancelReconcilerOptions {
  readonly max?: number | undefined
  readonly intervalMs?: number | undefined
}

export function cancelReconciler(options: CancelReconcilerOptions = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'cancel_reconciler',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['cancel_backlog'],
    pace: 'at_once',
    intervalMs: options.intervalMs ?? 15_000,
    appliesFilter: false,
    metrics: [backlog, members],
    async scanPartition(context, partition) {
      const answer = await context.backend.resolution.drainCancelBacklog({
        partition,
        max: context.batch(max),
      })
      const tally = new PassTally()
      for (const item of answer.items) {
        context.count(backlog, item.outcome)
        context.count(members, 'cancelled', item.cancelled)
        tally.processed += item.cancelled + (item.outcome === 'done' ? 1 : 0)
        if (item.outcome !== 'error') continue
        tally.errors++
        context.log('warn', 'Members of a cancelling flow could not be cancelled', {
          flow: item.flowId,
          remaining: item.remaining,
        })
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
