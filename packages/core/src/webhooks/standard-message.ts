import { createHmac } from 'node:crypto'
import type { EngineEvent } from '../contract/events.js'
import { eventNameOf } from './event-names.js'

/** What is posted, the same for every try: https://www.standardwebhooks.com. */
export function webhookBody(event: EngineEvent): string {
  return JSON.stringify({
    type: eventNameOf(event),
    timestamp: new Date(event.atMs).toISOString(),
    data: event,
  })
}

/** The headers by which a receiver tells who sent it, when, and whether it knows it already. One signature for each secret. */
export function webhookHeaders(
  secrets: readonly Buffer[],
  { deliveryId, body, nowMs }: { readonly deliveryId: string; readonly body: string; readonly nowMs: number },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1_000))
  const signed = `${deliveryId}.${timestamp}.${body}`
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  )
  return {
    'webhook-id': deliveryId,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}

/** A secret as its receiver is given it. */
export function formatWebhookSecret(secret: Buffer): string {
  return `whsec_${secret.toString('base64')}`
}
