/**
 * Without it: a start time, a retry, a lost lease, a time-out, a deadline, a grace or a draft's end would never come.
 * May: apply what is due in a partition, each as one fenced transition, one timer per execution and call.
 * Twice is harmless: a timer that was applied or moved is not due any more, and the store's clock decides what is.
 * The filter is not applied: a timer that is skipped would stay the earliest one and be looked at for ever.
 */
import { limits, type PartitionScanner, type ScannerMetric, timerKinds } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const applied: ScannerMetric = {
  name: 'timers_applied_total',
  kind: 'counter',
  help: 'Timers that were due and applied, by kind.',
  label: 'timer',
  values: timerKinds,
}

const failed: ScannerMetric = {
  name: 'timers_failed_total',
  kind: 'counter',
  help: 'Timers that could not be applied and stay due, by kind.',
  label: 'timer',
  values: timerKinds,
}

const rearmed: ScannerMetric = {
  name: 'timers_rearmed_total',
  kind: 'counter',
  help: 'Timers that had moved on, such as those of renewed leases, by kind.',
  label: 'timer',
  values: timerKinds,
}

const lag: ScannerMetric = {
  name: 'due_lag_ms',
  kind: 'histogram',
  help: 'How long after its due time a timer was applied, by kind.',
  label: 'timer',
  values: timerKinds,
}

export function timers(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'timers',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['timers', 'due'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [applied, failed, rearmed, lag],
    async scanPartition(context, partition) {
      const answer = await context.backend.maintenance.drainTimers({ partition, max: context.batch(max) })
      const nowMs = context.storeNowMs()
      const tally = new PassTally()
      for (const item of answer.items) {
        switch (item.outcome) {
          case 'applied':
            tally.processed++
            context.count(applied, item.timer)
            context.observe(lag, item.timer, Math.max(nowMs - item.dueAtMs, 0))
            break
          case 'rearmed':
            // The index changed, though no execution did: a batch full of them must not look like no progress.
            tally.processed++
            context.count(rearmed, item.timer)
            break
          case 'error':
            tally.errors++
            context.count(failed, item.timer)
            context.log('warn', 'A timer could not be applied', {
              id: item.id,
              timer: item.timer,
              dueAtMs: item.dueAtMs,
              code: item.code,
            })
        }
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
