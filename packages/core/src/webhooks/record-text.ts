import { webhookStates } from '../contract/webhooks.js'
import type { DueRow } from '../due-records/due-records.js'
import { engineError } from '../errors/engine-error.js'
import type { WebhookId } from '../ids/index.js'
import type { StoredDelivery, StoredWebhook, WebhookDefinition, WebhookProgress } from './record.js'

/** The parts of a webhook's record as the texts that a store keeps. What does not decode is `corruption`. */
export const webhookText = {
  ofDefinition: (definition: WebhookDefinition): string => JSON.stringify(definition),

  ofProgress: (progress: WebhookProgress): string => JSON.stringify(progress),

  read(row: DueRow): StoredWebhook {
    const { namespace, id, version, createdAtMs, dueAtMs } = row
    return {
      namespace,
      webhookId: id as WebhookId,
      version,
      createdAtMs,
      dueAtMs,
      definition: decode(row, 'definition', row.definition, toDefinition),
      progress: decode(row, 'progress', row.progress, toProgress),
    }
  },
}

function decode<Part>(row: DueRow, part: string, text: string, read: (value: unknown) => Part): Part {
  try {
    return read(JSON.parse(text))
  } catch (cause) {
    const subject = `webhook ${row.namespace}/${row.id} ${part}`
    throw engineError('corruption', `The stored ${subject} does not decode`, { subject }, { cause })
  }
}

function toDefinition(value: unknown): WebhookDefinition {
  const definition = value as WebhookDefinition
  const { url, filter, attemptsMax, updatedAtMs, secrets } = definition
  need(typeof url === 'string' && typeof filter === 'object' && filter !== null)
  need(areWhole(attemptsMax, updatedAtMs) && secrets.length > 0)
  for (const { number, keyId, signsUntilMs } of secrets) {
    need(areWhole(number) && typeof keyId === 'string' && (signsUntilMs === null || areWhole(signsUntilMs)))
  }
  return definition
}

function toProgress(value: unknown): WebhookProgress {
  const progress = value as WebhookProgress
  const { state, cursor, lookAtMs, lookEveryMs, pending, failed, delivered, failuresInRow } = progress
  need(webhookStates.includes(state) && typeof cursor === 'string')
  need(areWhole(lookAtMs, lookEveryMs, failuresInRow))
  need([...pending, ...failed, ...delivered].every(isDelivery))
  return progress
}

function isDelivery({
  deliveryId,
  event,
  attemptCount,
  nextAttemptAtMs,
  inHandUntilMs,
}: StoredDelivery): boolean {
  return (
    typeof deliveryId === 'string' &&
    areWhole(attemptCount, event.atMs, event.number) &&
    (nextAttemptAtMs === null || areWhole(nextAttemptAtMs)) &&
    (inHandUntilMs === null || areWhole(inHandUntilMs))
  )
}

function areWhole(...values: readonly unknown[]): boolean {
  return values.every((value) => Number.isSafeInteger(value))
}

function need(isSound: boolean): void {
  if (!isSound) throw new Error('a field is missing or of another type')
}
