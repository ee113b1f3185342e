/**
 * Without it: what an execution's end means for its downstreams, for a settled flow, for a seal or a replay stays in the
 * outbox for ever.
 * May: carry out due outbox entries of a partition, hop by hop, each bounded.
 * Twice is harmless: an entry is claimed by one at a time and removed when its work is done; an edge resolves once.
 * The filter is not applied: whoever waits downstream may be of another tag.
 */
import {
  type DispatchItem,
  limits,
  type PartitionScanner,
  type ScanContext,
  type ScannerMetric,
} from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const dispatched: ScannerMetric = {
  name: 'dispatch_total',
  kind: 'counter',
  help: 'Dispatched outbox entries, by outcome.',
  label: 'outcome',
  values: ['advanced', 'noop', 'settled', 'released', 'reset', 'delivered', 'retry_exhausted', 'error'],
}

const resolved: ScannerMetric = {
  name: 'edges_resolved_total',
  kind: 'counter',
  help: 'What dispatched entries decided: edges, groups satisfied or impossible, nodes skipped, records that do not decode.',
  label: 'decision',
  values: ['edge', 'satisfied', 'impossible', 'skipped', 'corruption'],
}

const hopRetries: ScannerMetric = {
  name: 'hop_retries_total',
  kind: 'counter',
  help: 'Hops that gave up under contention and were left in the outbox, by whether they did so often enough to alert.',
  label: 'alert',
  values: ['no', 'yes'],
}

const cascadeSize: ScannerMetric = {
  name: 'dispatch_edges',
  kind: 'histogram',
  help: 'Edges that one dispatched entry resolved in one hop.',
  label: 'outcome',
  values: ['advanced'],
}

export function completionDispatcher(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'completion_dispatcher',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['outbox'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [dispatched, resolved, hopRetries, cascadeSize],
    async scanPartition(context, partition) {
      const answer = await context.backend.resolution.dispatchCompletions({
        partition,
        max: context.batch(max),
      })
      const tally = new PassTally()
      for (const item of answer.items) {
        context.count(dispatched, item.outcome)
        takeItem(context, tally, item)
      }
      if (answer.more) context.log('info', 'A dispatch reached its bound and goes on', { partition })
      tally.close(answer)
      return tally.report()
    },
  }
}

function takeItem(context: ScanContext, tally: PassTally, item: DispatchItem): void {
  switch (item.outcome) {
    case 'advanced':
      // An entry that had nothing to resolve is done too, so the outbox got shorter.
      tally.processed++
      takeAdvance(context, item)
      break
    case 'settled':
      tally.processed++
      context.log('info', 'A flow settled', { flow: item.flowId, state: item.flowState })
      break
    case 'released':
    case 'reset':
      tally.processed++
      context.log('debug', `Members were ${item.outcome}`, { flow: item.flowId, members: item.members })
      break
    case 'delivered':
      tally.processed++
      break
    case 'noop':
      break
    case 'retry_exhausted': {
      tally.errors++
      const alerts = item.failures >= limits.outboxFailuresAlert
      context.count(hopRetries, alerts ? 'yes' : 'no')
      const fields = { entry: item.entryId, failures: item.failures }
      context.log(alerts ? 'warn' : 'debug', 'An outbox entry gave up under contention for now', fields)
      break
    }
    case 'error':
      tally.errors++
      context.log('warn', 'An outbox entry failed and stays', {
        entry: item.entryId,
        code: item.code,
        message: item.message,
      })
  }
}

function takeAdvance(context: ScanContext, item: Extract<DispatchItem, { outcome: 'advanced' }>): void {
  const { edges, satisfied, impossible, skipped, corrupt } = item
  context.count(resolved, 'edge', edges)
  context.count(resolved, 'satisfied', satisfied)
  context.count(resolved, 'impossible', impossible)
  context.count(resolved, 'skipped', skipped)
  context.count(resolved, 'corruption', corrupt.length)
  if (edges > 0) context.observe(cascadeSize, 'advanced', edges)
  for (const raw of corrupt) {
    context.log('warn', 'A record of an edge does not decode', { entry: item.entryId, raw })
  }
  if (edges + skipped === 0) return
  context.log('info', 'A completion was dispatched', {
    execution: item.executionId,
    flow: item.flowId,
    edges,
    satisfied,
    impossible,
    skipped,
  })
}
