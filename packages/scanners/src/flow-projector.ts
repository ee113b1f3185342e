/**
 * Without it: a flow's summary, which lists and dashboards read, stays as it was.
 * May: write the summaries of the partition's changed live flows. It never touches a flow's authoritative state.
 * Twice is harmless: a summary is computed from the members as they are and replaces the one before.
 * The filter is not applied: a summary is an aggregate, and a look at every member would cost flows × members.
 */
import {
  limits,
  type PartitionScanner,
  type ProjectionItem,
  type ScanContext,
  type ScannerMetric,
} from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const projected: ScannerMetric = {
  name: 'flow_projection_total',
  kind: 'counter',
  help: 'Flows that the projector looked at, by what it did.',
  label: 'outcome',
  values: ['projected', 'unchanged', 'gone', 'error'],
}

const drifted: ScannerMetric = {
  name: 'flow_projection_drift_total',
  kind: 'counter',
  help: 'Flows whose kept counts did not equal a recount: an invariant was violated.',
  label: 'violation',
  values: ['counts'],
}

export interface FlowProjectorOptions {
  /** Flows of one call. */
  readonly max?: number | undefined
  /** The shortest time between two passes over a partition: changes in between are written together. */
  readonly intervalMs?: number | undefined
}

export function flowProjector(options: FlowProjectorOptions = {}): PartitionScanner {
  const max = options.max ?? limits.projectorBatchMax
  return {
    name: 'flow_projector',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['projection'],
    pace: 'interval',
    intervalMs: options.intervalMs ?? 2_000,
    longestIntervalMs: Math.max(options.intervalMs ?? 0, 15_000),
    appliesFilter: false,
    metrics: [projected, drifted],
    async scanPartition(context, partition) {
      const tally = new PassTally()
      let cursor: string | undefined
      // A stream over the live flows: batch after batch until its end, or a bound that leaves room to the others.
      for (let batches = 0; batches < BATCHES_MAX && !context.signal.aborted; batches++) {
        const request = { partition, max: context.batch(max), cursor }
        const answer = await readBatch(context, tally, request)
        if (answer === undefined) return tally.report()
        for (const item of answer.items) takeItem(context, tally, item)
        tally.close(answer)
        if (answer.cursor === null) break
        cursor = answer.cursor
      }
      return tally.report()
    },
  }
}

/** A batch that fails at the start fails the pass; one that fails half-way costs one error, and what was done stays counted. */
async function readBatch(
  { backend }: ScanContext,
  tally: PassTally,
  request: Parameters<ScanContext['backend']['resolution']['projectSummaries']>[0],
) {
  try {
    return await backend.resolution.projectSummaries(request)
  } catch (error) {
    if (request.cursor === undefined) throw error
    tally.errors++
    return undefined
  }
}

function takeItem(context: ScanContext, tally: PassTally, item: ProjectionItem): void {
  context.count(projected, item.outcome)
  switch (item.outcome) {
    case 'projected':
      tally.processed++
      if (!item.drift) break
      context.count(drifted, 'counts')
      context.log('warn', 'The counts of a flow had drifted from its members', { flow: item.flowId })
      break
    case 'gone':
      tally.processed++
      break
    case 'unchanged':
      break
    case 'error':
      tally.errors++
      context.log('warn', 'A flow could not be projected', { flow: item.flowId, code: item.code })
  }
}

const BATCHES_MAX = 10
