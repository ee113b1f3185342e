/**
 * Without it: the losers of a decided any_of or quorum run on, at someone's expense.
 * May: cancel the upstreams of a fired group that nobody needs any more, and what only fed them; then clear the group's
 * flag and its pending tuple in one step.
 * Twice is harmless: a sibling that has ended is counted and left alone, and need is judged in the step that cancels.
 * The filter is not applied: a group and its siblings are one piece of work.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const cancels: ScannerMetric = {
  name: 'sibling_cancel_total',
  kind: 'counter',
  help: 'Siblings and ancestors of decided groups that were looked at, by what became of them.',
  label: 'disposition',
  values: ['cancelled', 'already_terminal', 'not_found', 'spared', 'error'],
}

const groups: ScannerMetric = {
  name: 'sibling_cancel_groups_total',
  kind: 'counter',
  help: 'Decided groups whose siblings were cancelled, by how far it came in the pass.',
  label: 'outcome',
  values: ['drained', 'partial', 'error'],
}

export interface EdgeCancelDispatcherOptions {
  readonly max?: number | undefined
  readonly intervalMs?: number | undefined
}

export const edgeCancelDispatcherIntervalMs = 1_000

export function edgeCancelDispatcher(options: EdgeCancelDispatcherOptions = {}): PartitionScanner {
  const max = options.max ?? limits.siblingCancelGroupsMax
  return {
    name: 'edge_cancel_dispatcher',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['sibling_cancels'],
    pace: 'at_once',
    intervalMs: options.intervalMs ?? edgeCancelDispatcherIntervalMs,
    appliesFilter: false,
    metrics: [cancels, groups],
    async scanPartition(context, partition) {
      const answer = await context.backend.resolution.drainSiblingCancels({
        partition,
        max: context.batch(max),
      })
      const tally = new PassTally()
      for (const item of answer.items) {
        context.count(groups, item.outcome)
        for (const sibling of item.siblings) {
          context.count(cancels, sibling.disposition)
          if (sibling.disposition === 'cancelled') tally.processed++
        }
        if (item.outcome === 'drained') tally.processed++
        if (item.outcome !== 'error') continue
        tally.errors++
        const fields = { flow: item.flowId, downstream: item.downstreamId }
        context.log('warn', 'The siblings of a group could not all be cancelled; it stays pending', fields)
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
