import { durationBucketsMs, type Meter } from './meter.js'

/** Every metric of the engine itself, by name, in one place. Those of the scanners are named in their own files. */
export function createEngineMetrics(meter: Meter) {
  return {
    storeCalls: meter.counter({
      name: 'store_calls_total',
      help: 'Calls of the store, by operation of the contract and how they ended.',
      labels: ['operation', 'outcome'],
    }),
    storeCallMs: meter.histogram({
      name: 'store_call_duration_ms',
      help: 'How long calls of the store took.',
      labels: ['operation'],
      buckets: durationBucketsMs,
    }),
    pulses: meter.counter({
      name: 'pulse_total',
      help: 'Looks at the owned partitions, by how they ended.',
      labels: ['outcome'],
    }),
    passes: meter.counter({
      name: 'scanner_passes_total',
      help: 'Passes of the scanners, by how they ended.',
      labels: ['scanner', 'outcome'],
    }),
    passMs: meter.histogram({
      name: 'scanner_pass_duration_ms',
      help: 'How long the passes of the scanners took.',
      labels: ['scanner'],
      buckets: durationBucketsMs,
    }),
    scanned: meter.counter({
      name: 'scanner_items_total',
      help: 'What passes changed (processed) and what they failed on (error).',
      labels: ['scanner', 'result'],
    }),
    failingPartitions: meter.gauge({
      name: 'scanner_failing_partitions',
      help: 'Partitions of which the last pass failed, as far as this engine owns them.',
      labels: ['scanner'],
    }),
    partitionsOwned: meter.gauge({
      name: 'partitions_owned',
      help: 'Partitions that this engine scans.',
      labels: [],
    }),
    enginesAlive: meter.gauge({
      name: 'engines_alive',
      help: 'Engines that share the partitions.',
      labels: [],
    }),
    dispatches: meter.counter({
      name: 'dispatch_total',
      help: 'Dispatched outbox entries, by outcome.',
      labels: ['outcome'],
    }),
    edgesResolved: meter.counter({
      name: 'edges_resolved_total',
      help: 'What dispatched entries decided: edges, groups satisfied or impossible, nodes skipped, records that do not decode.',
      labels: ['decision'],
    }),
    hopRetries: meter.counter({
      name: 'hop_retries_total',
      help: 'Hops that gave up under contention and were left in the outbox, by whether they did so often enough to alert.',
      labels: ['alert'],
    }),
    claimTries: meter.counter({
      name: 'claim_tries_total',
      help: 'Claims sent to the store, by what began them and what they came to.',
      labels: ['cause', 'outcome'],
    }),
    claimsWaiting: meter.gauge({
      name: 'claims_waiting',
      help: 'Claims that wait for work.',
      labels: [],
    }),
    hints: meter.counter({
      name: 'hints_total',
      help: 'Wake-up hints delivered, by type.',
      labels: ['type'],
    }),
    resultsWaiting: meter.gauge({
      name: 'results_waiting',
      help: 'Ends of executions and flows that someone waits for.',
      labels: [],
    }),
  }
}

export type EngineMetrics = ReturnType<typeof createEngineMetrics>
