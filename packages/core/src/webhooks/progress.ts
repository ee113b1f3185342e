import type { EngineEvent } from '../contract/events.js'
import type { WebhookDisabledCause } from '../contract/webhooks.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { limits } from '../limits.js'
import type { StoredDelivery, StoredWebhook, WebhookProgress } from './record.js'

export function firstProgress(cursor: string, nowMs: number): WebhookProgress {
  return {
    state: 'active',
    disabledBecause: null,
    disabledAtMs: null,
    cursor,
    lookAtMs: nowMs,
    lookEveryMs: limits.webhookLookMsMin,
    pending: [],
    failed: [],
    delivered: [],
    failuresInRow: 0,
    lastDeliveredAtMs: null,
    failingSinceMs: null,
    lastFailure: null,
    missedAtMs: null,
  }
}

/** When somebody has to look at the webhook next; `null` is never. */
export function dueAtOf(progress: WebhookProgress): number | null {
  const { state, pending, lookAtMs } = progress
  if (state === 'disabled') return null
  const times: number[] = []
  let inHand = 0
  for (const { inHandUntilMs } of pending) {
    if (inHandUntilMs === null) continue
    inHand += 1
    times.push(inHandUntilMs)
  }
  // Where no more can be handed out, a report or the end of a lease comes first.
  if (inHand < inHandMaxOf(progress)) {
    for (const { nextAttemptAtMs } of pending) if (nextAttemptAtMs !== null) times.push(nextAttemptAtMs)
  }
  if (roomFor(progress) > 0) times.push(lookAtMs)
  return times.length === 0 ? null : Math.min(...times)
}

/** How many are under way at once. One that has failed for a while is asked by one try at a time. */
export function inHandMaxOf({ failuresInRow }: WebhookProgress): number {
  return failuresInRow >= limits.webhookFailuresInRow ? 1 : limits.webhookInHandMax
}

/** How many events one look may take in. */
export function roomFor({ pending }: WebhookProgress): number {
  return Math.min(Math.max(limits.webhookPendingMax - pending.length, 0), limits.webhookEventsPerLook)
}

/**
 * The record with deliveries of these events. Their ids follow from the webhook and the event: its time too, since a store that
 * lost the end of its history gives its numbers again.
 */
export function addEvents(
  { namespace, webhookId }: Pick<StoredWebhook, 'namespace' | 'webhookId'>,
  progress: WebhookProgress,
  events: readonly EngineEvent[],
  nowMs: number,
): WebhookProgress {
  const added = events.map((event): StoredDelivery => {
    const { partition, number, atMs } = event
    return {
      deliveryId: deriveUuid('delivery', namespace, webhookId, partition, String(number), String(atMs)),
      event,
      state: 'pending',
      attemptCount: 0,
      nextAttemptAtMs: nowMs,
      lastFailure: null,
      lastHttpStatus: null,
      endedAtMs: null,
      inHandUntilMs: null,
    }
  })
  return { ...progress, pending: [...progress.pending, ...added] }
}

/** The record without what has ended of what waits. */
export function withEnded(
  progress: WebhookProgress,
  pending: readonly StoredDelivery[],
  ended: readonly StoredDelivery[],
): WebhookProgress {
  const of = (state: StoredDelivery['state']) => ended.filter((each) => each.state === state).reverse()
  return {
    ...progress,
    pending,
    failed: [...of('given_up'), ...progress.failed].slice(0, limits.webhookFailedKept),
    delivered: [...of('delivered'), ...progress.delivered].slice(0, limits.webhookDeliveredKept),
  }
}

export function endAs(
  delivery: StoredDelivery,
  state: 'delivered' | 'given_up',
  nowMs: number,
): StoredDelivery {
  return { ...delivery, state, nextAttemptAtMs: null, inHandUntilMs: null, endedAtMs: nowMs }
}

export function disable(
  progress: WebhookProgress,
  because: WebhookDisabledCause,
  nowMs: number,
): WebhookProgress {
  return { ...progress, state: 'disabled', disabledBecause: because, disabledAtMs: nowMs }
}

/** On where it stopped, at once, as one that does not fail. */
export function enable(progress: WebhookProgress, nowMs: number): WebhookProgress {
  return {
    ...progress,
    state: 'active',
    disabledBecause: null,
    disabledAtMs: null,
    failuresInRow: 0,
    failingSinceMs: null,
    lookAtMs: nowMs,
    lookEveryMs: limits.webhookLookMsMin,
    pending: progress.pending.map((each) =>
      each.nextAttemptAtMs === null ? each : { ...each, nextAttemptAtMs: nowMs },
    ),
  }
}

/** The record with these waiting again, as if they had never been tried; in the order of their events. */
export function waitAgain(
  progress: WebhookProgress,
  isMeant: (delivery: StoredDelivery) => boolean,
  nowMs: number,
): { readonly progress: WebhookProgress; readonly count: number } {
  const meant = [...progress.failed, ...progress.delivered].filter(isMeant)
  const again = meant
    .map((each) => ({
      ...each,
      state: 'pending' as const,
      attemptCount: 0,
      nextAttemptAtMs: nowMs,
      endedAtMs: null,
    }))
    .sort((a, b) => a.event.atMs - b.event.atMs || a.event.number - b.event.number)
  return {
    count: again.length,
    progress: {
      ...progress,
      pending: [...progress.pending, ...again],
      failed: progress.failed.filter((each) => !isMeant(each)),
      delivered: progress.delivered.filter((each) => !isMeant(each)),
    },
  }
}
