import type { HandedDelivery, Webhook, WebhookDelivery, WebhookSecretRef } from '../contract/webhooks.js'
import type { StoredDelivery, StoredWebhook } from './record.js'

export function showWebhook({ webhookId, createdAtMs, definition, progress }: StoredWebhook): Webhook {
  const { url, label, filter, attemptsMax, updatedAtMs, secrets } = definition
  const { state, disabledBecause, disabledAtMs, pending, failed } = progress
  const { lastDeliveredAtMs, failingSinceMs, lastFailure, missedAtMs } = progress
  return {
    id: webhookId,
    url,
    label,
    filter,
    attemptsMax,
    state,
    disabledBecause,
    disabledAtMs,
    createdAtMs,
    updatedAtMs,
    secrets,
    pending: pending.length,
    failed: failed.length,
    lastDeliveredAtMs,
    failingSinceMs,
    lastFailure,
    missedAtMs,
  }
}

export function showDelivery(
  { webhookId }: StoredWebhook,
  { inHandUntilMs: _, ...delivery }: StoredDelivery,
): WebhookDelivery {
  return { ...delivery, webhookId }
}

export function showHanded(
  { namespace, webhookId, definition }: StoredWebhook,
  { deliveryId, event, attemptCount }: StoredDelivery,
  nowMs: number,
): HandedDelivery {
  const { url, secrets } = definition
  return {
    namespace,
    webhookId,
    deliveryId,
    event,
    attempt: attemptCount,
    url,
    secrets: secretsAt(secrets, nowMs),
  }
}

/** Those that sign. */
export function secretsAt(secrets: readonly WebhookSecretRef[], nowMs: number): readonly WebhookSecretRef[] {
  return secrets.filter(({ signsUntilMs }) => signsUntilMs === null || signsUntilMs > nowMs)
}
