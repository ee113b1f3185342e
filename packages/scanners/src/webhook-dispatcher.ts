/**
 * Without it: nothing that a webhook chose would ever be sent, and what a dead process was sending would never be sent again.
 * May: take deliveries that are due in a partition, make their requests, and record how they went. The requests outlast the
 * pass that began them, so that a receiver that hangs holds up nobody else's.
 * Twice is harmless: a delivery is handed to one of two dispatchers, and a request that is made twice bears the same id.
 * The filter is not applied: a webhook that is skipped would stay the earliest one and be looked at for ever.
 */
import {
  deliverDueOutcomes,
  deliveryFailures,
  type HandedDelivery,
  limits,
  type PartitionScanner,
  type ScanContext,
  type ScannerMetric,
} from '@flowfabric/core'
import { PassTally } from './scan-report.js'
import { WebhookSends } from './webhook-sends.js'

const tries: ScannerMetric = {
  name: 'webhook_tries_total',
  kind: 'counter',
  help: 'Requests of webhooks, by how they went.',
  label: 'outcome',
  values: ['delivered', 'gone', ...deliveryFailures],
}

const taken: ScannerMetric = {
  name: 'webhook_dispatches_total',
  kind: 'counter',
  help: 'What became due of webhooks, by what became of it.',
  label: 'outcome',
  values: deliverDueOutcomes,
}

const lag: ScannerMetric = {
  name: 'webhook_first_try_lag_ms',
  kind: 'histogram',
  help: 'How long after its event a delivery was tried first.',
  label: 'outcome',
  values: ['handed_out'],
}

export interface WebhookDispatcherOptions {
  /** Requests under way of a partition at once (default 32). */
  readonly max?: number | undefined
  /** How long a request may stay unreported before another dispatcher makes it again (1000…600000, default 60000). */
  readonly leaseMs?: number | undefined
}

export function webhookDispatcher(options: WebhookDispatcherOptions = {}): PartitionScanner {
  const { max = SENDS_MAX, leaseMs = limits.webhookLeaseMsDefault } = options
  // A supervisor has one context for its scanner, whatever the partition.
  const all = new WeakMap<ScanContext, WebhookSends>()
  const sendsOf = (context: ScanContext): WebhookSends => {
    const known = all.get(context) ?? new WebhookSends(context, tries)
    all.set(context, known)
    return known
  }
  return {
    name: 'webhook_dispatcher',
    scope: 'partition',
    family: 'quota',
    // Not on due hints of the partition, which are its schedules' and quotas': its own next time is in each answer.
    wakesOn: ['webhooks'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [tries, taken, lag],
    async scanPartition(context, partition) {
      const sends = sendsOf(context)
      const free = max - sends.countOf(partition)
      const tally = new PassTally()
      // The end of a request asks for the next pass.
      if (free <= 0) return tally.report()
      const { reports, hasNews } = sends.take(partition)
      const answer = await sends.orGiveBack(partition, { reports, hasNews }, () =>
        context.backend.webhooks.deliverDue({
          partition,
          max: Math.min(context.batch(max), free),
          reports,
          leaseMs,
          withinMs: hasNews ? limits.webhookLookMsMax : 0,
        }),
      )
      tally.processed += reports.length
      for (const item of answer.items) {
        context.count(taken, item.outcome)
        const { namespace, webhookId } = item
        if (item.outcome === 'handed_out') {
          tally.processed++
          observeLag(context, item)
          sends.begin(partition, item)
        } else if (item.outcome === 'error') {
          tally.errors++
          context.log('warn', 'A webhook could not be looked at', { namespace, webhookId, code: item.code })
        } else {
          tally.processed++
          const message =
            item.outcome === 'disabled'
              ? 'A webhook was disabled: nothing arrives there any more'
              : 'A webhook has missed events: the feed had not kept them until their turn'
          context.log('warn', message, { namespace, webhookId })
        }
      }
      sends.follow(partition, answer.nextDueAtMs !== undefined)
      tally.close(answer)
      return tally.report()
    },
    hear(context, hint) {
      if (hint.type === 'events') sendsOf(context).hearNews()
    },
    drain: (context) => sendsOf(context).drain(),
  }
}

function observeLag(context: ScanContext, { attempt, event }: HandedDelivery): void {
  if (attempt === 1) context.observe(lag, 'handed_out', Math.max(context.storeNowMs() - event.atMs, 0))
}

const SENDS_MAX = 32
