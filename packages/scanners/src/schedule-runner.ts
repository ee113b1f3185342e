/**
 * Without it: nothing that a schedule is about would ever start, and a start that a dead process had decided on would never come.
 * May: take ticks that are due in a partition by a conditional write each, and start, cancel and look at what they are about.
 * Twice is harmless: of two runners that decide on a tick one writes, and its start is repeated under the same id.
 * The filter is not applied: a schedule that is skipped would stay the earliest one and be looked at for ever.
 */
import { limits, type PartitionScanner, type ScannerMetric, scheduleFireOutcomes } from '@flowfabric/core'
import { PassTally } from './scan-report.js'

const fired: ScannerMetric = {
  name: 'schedule_ticks_total',
  kind: 'counter',
  help: 'Ticks of schedules, by what became of them.',
  label: 'outcome',
  values: scheduleFireOutcomes,
}

const lag: ScannerMetric = {
  name: 'schedule_start_lag_ms',
  kind: 'histogram',
  help: 'How long after its tick work was started: jitter, catching up and waiting for what ran included.',
  label: 'outcome',
  values: ['started'],
}

export function scheduleRunner(options: { readonly max?: number | undefined } = {}): PartitionScanner {
  const max = options.max ?? limits.scannerBatchMax
  return {
    name: 'schedule_runner',
    scope: 'partition',
    family: 'quota',
    wakesOn: ['schedules', 'due'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [fired, lag],
    async scanPartition(context, partition) {
      const answer = await context.backend.schedules.fireDue({ partition, max: context.batch(max) })
      const nowMs = context.storeNowMs()
      const tally = new PassTally()
      for (const { outcome, scheduleId, tickMs, code } of answer.items) {
        context.count(fired, outcome)
        if (outcome === 'lost_race') continue
        if (outcome === 'error') tally.errors++
        else tally.processed++
        if (outcome === 'started') context.observe(lag, outcome, Math.max(nowMs - tickMs, 0))
        if (outcome === 'error' || outcome === 'refused') {
          context.log('warn', 'A scheduled start was not carried out', { scheduleId, tickMs, outcome, code })
        }
      }
      tally.close(answer)
      return tally.report()
    },
  }
}
