/**
 * Without it: instances that died stay in the registry, and lists and `explain` speak of workers that are not there.
 * May: remove instances that were silent for too long, and hand back what those held that said goodbye. A silent
 * instance's leases are left to their own timers: a slow heartbeat is no proof of death.
 * Twice is harmless: an instance is removed once, and a lease is handed back under its fence.
 * The filter is not applied: a dead instance is dead in every namespace.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const removed: ScannerMetric = {
  name: 'workers_reaped_total',
  kind: 'counter',
  help: 'Worker instances that were removed from the registry, by whether they still held leases.',
  label: 'held',
  values: ['nothing', 'leases'],
}

export interface WorkerReaperOptions {
  readonly max?: number | undefined
  readonly intervalMs?: number | undefined
  readonly quietIntervalMs?: number | undefined
}

export function workerReaper(options: WorkerReaperOptions = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  const intervalMs = options.intervalMs ?? 5_000
  return {
    name: 'worker_reaper',
    scope: 'partition',
    // Registries belong to no execution.
    family: 'quota',
    wakesOn: ['always'],
    pace: 'interval',
    intervalMs,
    // Deaths come in groups; while there are none a look now and then is enough, since nothing is decided by it.
    quietIntervalMs: Math.max(options.quietIntervalMs ?? 15_000, intervalMs),
    appliesFilter: false,
    metrics: [removed],
    async scanPartition(context, partition) {
      const answer = await context.backend.workers.reapDead({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const { instanceId, handedBack } of answer.items) {
        tally.processed++
        context.count(removed, handedBack > 0 ? 'leases' : 'nothing')
        context.log('info', 'A worker instance is gone', { instance: instanceId, handedBack })
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
