/**
 * Without it: admission keys would stay parked although a window has passed, or although the process that freed their slot
 * died before it woke them.
 * May: wake keys for which there is room, so that claims look at their heads again.
 * Twice is harmless: a key that is awake is judged by the next claim, and parked again if there is no room after all.
 * The filter is not applied: what waits for a quota or a budget waits in one line, whoever's it is.
 */
import { limits, type PartitionScanner, type ScannerMetric } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const woken: ScannerMetric = {
  name: 'admission_keys_woken_total',
  kind: 'counter',
  help: 'Admission keys that a sweep woke, by what they waited for.',
  label: 'by',
  values: ['quota', 'budget'],
}

export interface AdmissionUnblockerOptions {
  readonly max?: number | undefined
}

export function admissionUnblocker(options: AdmissionUnblockerOptions = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'admission_unblocker',
    scope: 'partition',
    family: 'quota',
    wakesOn: ['parked', 'due'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [woken],
    async scanPartition(context, partition) {
      const answer = await context.backend.quotas.wakeParked({ partition, max: context.batch(max) })
      const tally = new PassTally()
      for (const { by, count } of answer.items) {
        context.count(woken, by.kind, count)
        tally.processed += count
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
