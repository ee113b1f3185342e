import { hash } from 'node:crypto'
import type { DeliveryReport, WebhookDisabledCause } from '../contract/webhooks.js'
import { limits } from '../limits.js'
import { disable, endAs, withEnded } from './progress.js'
import type { StoredDelivery, WebhookDefinition, WebhookProgress } from './record.js'

/** The record with how tries went. A report of a try that is not the one in hand changes nothing. */
export function applyReports(
  before: WebhookProgress,
  { attemptsMax }: Pick<WebhookDefinition, 'attemptsMax'>,
  reports: readonly DeliveryReport[],
  nowMs: number,
): { readonly progress: WebhookProgress; readonly disabledBecause: WebhookDisabledCause | null } {
  let progress = before
  let hasFailed = false
  let isGone = false
  for (const report of reports) {
    const delivery = progress.pending.find(({ deliveryId }) => deliveryId === report.deliveryId)
    if (delivery === undefined || delivery.inHandUntilMs === null) continue
    if (delivery.attemptCount !== report.attempt) continue
    hasFailed ||= report.outcome !== 'delivered'
    isGone ||= report.outcome === 'gone'
    progress = applyReport(progress, delivery, report, attemptsMax, nowMs)
  }
  // Only another failure tells that it still fails.
  const isJudged = hasFailed && progress.state === 'active'
  const because = isJudged ? causeToDisable(progress, isGone, nowMs) : null
  return {
    progress: because === null ? progress : disable(progress, because, nowMs),
    disabledBecause: because,
  }
}

function applyReport(
  progress: WebhookProgress,
  delivery: StoredDelivery,
  report: DeliveryReport,
  attemptsMax: number,
  nowMs: number,
): WebhookProgress {
  const httpStatus = report.httpStatus ?? null
  if (report.outcome === 'delivered') {
    const arrived = { ...delivery, lastFailure: null, lastHttpStatus: httpStatus }
    return {
      ...withEnded(progress, without(progress, delivery), [endAs(arrived, 'delivered', nowMs)]),
      failuresInRow: 0,
      failingSinceMs: null,
      lastDeliveredAtMs: nowMs,
    }
  }
  const failure = report.failure ?? 'status'
  const told = { ...delivery, lastFailure: failure, lastHttpStatus: httpStatus }
  const failing = {
    ...progress,
    failuresInRow: progress.failuresInRow + 1,
    failingSinceMs: progress.failingSinceMs ?? nowMs,
    lastFailure: { atMs: nowMs, failure, httpStatus },
  }
  if (report.outcome === 'gone' || delivery.attemptCount >= attemptsMax) {
    return withEnded(failing, without(progress, delivery), [endAs(told, 'given_up', nowMs)])
  }
  const nextAttemptAtMs = nowMs + pauseAfter(delivery, report.retryAfterMs ?? 0)
  return {
    ...failing,
    pending: progress.pending.map((each) =>
      each === delivery ? { ...told, inHandUntilMs: null, nextAttemptAtMs } : each,
    ),
  }
}

function without({ pending }: WebhookProgress, delivery: StoredDelivery): readonly StoredDelivery[] {
  return pending.filter((each) => each !== delivery)
}

function causeToDisable(
  { failingSinceMs }: WebhookProgress,
  isGone: boolean,
  nowMs: number,
): WebhookDisabledCause | null {
  if (isGone) return 'gone'
  if (failingSinceMs !== null && nowMs - failingSinceMs >= limits.webhookFailingMsMax) return 'failing'
  return null
}

/** Three times as long with each try, half of it drawn: what failed together does not come back together. */
function pauseAfter({ deliveryId, attemptCount }: StoredDelivery, retryAfterMs: number): number {
  const { webhookRetryMsMin, webhookRetryMsMax } = limits
  const full = Math.min(webhookRetryMsMin * 3 ** (attemptCount - 1), webhookRetryMsMax)
  const drawn =
    Number.parseInt(hash('sha256', `${deliveryId}/${attemptCount}`, 'hex').slice(0, 8), 16) / 16 ** 8
  return Math.max(Math.round(full / 2 + (full / 2) * drawn), Math.min(retryAfterMs, webhookRetryMsMax))
}
