import { endAs, inHandMaxOf, withEnded } from './progress.js'
import type { StoredDelivery, WebhookDefinition, WebhookProgress } from './record.js'

export interface HandedOut {
  readonly progress: WebhookProgress
  readonly deliveries: readonly StoredDelivery[]
}

/**
 * Those whose turn has come, at most so many, for a caller to try until the lease ends. One whose lease has ended without a
 * report is tried again, or given up when that was the last try: nobody knows whether it arrived.
 */
export function handOut(
  progress: WebhookProgress,
  { attemptsMax }: Pick<WebhookDefinition, 'attemptsMax'>,
  { nowMs, leaseMs, room }: { readonly nowMs: number; readonly leaseMs: number; readonly room: number },
): HandedOut {
  const given: StoredDelivery[] = []
  const waiting = progress.pending.flatMap((delivery) => {
    const { inHandUntilMs, attemptCount } = delivery
    if (inHandUntilMs === null || inHandUntilMs > nowMs) return [delivery]
    const lost = {
      ...delivery,
      inHandUntilMs: null,
      nextAttemptAtMs: nowMs,
      lastFailure: 'unreported' as const,
    }
    if (attemptCount < attemptsMax) return [lost]
    given.push(endAs(lost, 'given_up', nowMs))
    return []
  })
  const inHand = waiting.filter(({ inHandUntilMs }) => inHandUntilMs !== null).length
  let left = Math.min(room, inHandMaxOf(progress) - inHand)
  const deliveries: StoredDelivery[] = []
  const pending = waiting.map((delivery) => {
    const { nextAttemptAtMs, attemptCount } = delivery
    if (left <= 0 || nextAttemptAtMs === null || nextAttemptAtMs > nowMs) return delivery
    left -= 1
    const handed = {
      ...delivery,
      attemptCount: attemptCount + 1,
      nextAttemptAtMs: null,
      inHandUntilMs: nowMs + leaseMs,
    }
    deliveries.push(handed)
    return handed
  })
  if (deliveries.length === 0 && given.length === 0) return { progress, deliveries }
  return { progress: withEnded(progress, pending, given), deliveries }
}
