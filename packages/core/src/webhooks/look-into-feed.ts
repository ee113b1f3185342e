import type { EventsPage, ReadEvents } from '../contract/events.js'
import { isEngineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { feedFilterOf, isWanted } from './event-names.js'
import { addEvents, roomFor } from './progress.js'
import type { StoredWebhook, WebhookProgress } from './record.js'
import type { WebhookParts } from './webhook-parts.js'

/** The record with what the feed has brought, if it is time for a look. What the filter held back is behind it too. */
export async function lookIntoFeed(
  parts: WebhookParts,
  webhook: StoredWebhook,
  progress: WebhookProgress,
  nowMs: number,
  withinMs: number,
): Promise<WebhookProgress> {
  const limit = roomFor(progress)
  if (limit === 0 || progress.lookAtMs > nowMs + withinMs) return progress
  const { namespace, definition } = webhook
  const filter = feedFilterOf(definition.filter)
  const page = await readOn(parts, { namespace, cursor: progress.cursor, filter, limit })
  const events = page.events.filter((event) => isWanted(event, definition.filter))
  const isFull = page.events.length === limit
  const hasMoved = page.cursor !== progress.cursor
  // A look ahead of its time that finds nothing changes nothing.
  if (!hasMoved && progress.lookAtMs > nowMs) return progress
  const lookEveryMs = hasMoved
    ? limits.webhookLookMsMin
    : Math.min(progress.lookEveryMs * 2, limits.webhookLookMsMax)
  return {
    ...addEvents(webhook, progress, events, nowMs),
    cursor: page.cursor,
    lookEveryMs,
    lookAtMs: isFull ? nowMs : nowMs + lookEveryMs,
    missedAtMs: page.hasMissed ? nowMs : progress.missedAtMs,
  }
}

/** Where the feed has not kept what comes next, on with the oldest that it has. */
async function readOn(
  { events }: WebhookParts,
  params: ReadEvents,
): Promise<EventsPage & { readonly hasMissed: boolean }> {
  try {
    return { ...(await events.read(params)), hasMissed: false }
  } catch (error) {
    if (!isEngineError(error) || error.code !== 'cursor_expired') throw error
    return { ...(await events.read({ ...params, cursor: undefined, from: 'oldest' })), hasMissed: true }
  }
}
