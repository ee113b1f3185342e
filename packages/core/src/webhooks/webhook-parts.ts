import type { EventOperations } from '../contract/events.js'
import type { DueRecords } from '../due-records/due-records.js'
import { engineError } from '../errors/engine-error.js'
import type { WebhookId } from '../ids/index.js'
import { limits } from '../limits.js'
import type { Namespace } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { dueAtOf } from './progress.js'
import type { StoredWebhook, WebhookDefinition, WebhookProgress } from './record.js'
import { webhookText } from './record-text.js'

/** What the role is made of: a store of records, and the store's own feed. */
export interface WebhookParts {
  readonly store: DueRecords
  readonly events: Pick<EventOperations, 'read'>
  partitions(): Promise<PartitionConfig>
}

export interface WebhookName {
  readonly namespace: Namespace
  readonly webhookId: WebhookId
}

/** What a look found. */
export interface ReadWebhook {
  readonly nowMs: number
  readonly webhook: StoredWebhook | undefined
}

/** Reads a webhook, or nothing where there is none. */
export async function readWebhook(
  { store }: Pick<WebhookParts, 'store'>,
  { namespace, webhookId }: WebhookName,
): Promise<ReadWebhook> {
  const { nowMs, row } = await store.read({ namespace, id: webhookId })
  return { nowMs, webhook: row === undefined ? undefined : webhookText.read(row) }
}

/** Throws `webhook_not_found`. */
export async function requireWebhook(parts: Pick<WebhookParts, 'store'>, name: WebhookName) {
  const { nowMs, webhook } = await readWebhook(parts, name)
  if (webhook !== undefined) return { nowMs, webhook }
  throw engineError('webhook_not_found', `There is no webhook ${name.webhookId} in ${name.namespace}`)
}

/** Writes what has become of a webhook, on condition that nobody else has. */
export async function writeWebhook(
  { store }: Pick<WebhookParts, 'store'>,
  webhook: StoredWebhook,
  progress: WebhookProgress,
  definition?: WebhookDefinition,
): Promise<StoredWebhook | undefined> {
  const { namespace, webhookId, version: expected } = webhook
  const dueAtMs = dueAtOf(progress)
  const { isWritten } = await store.write({
    namespace,
    id: webhookId,
    expected,
    dueAtMs,
    progress: webhookText.ofProgress(progress),
    definition: definition && webhookText.ofDefinition(definition),
  })
  if (!isWritten) return undefined
  return {
    ...webhook,
    version: expected + 1,
    dueAtMs,
    progress,
    definition: definition ?? webhook.definition,
  }
}

/** Tries a conditional write until nobody was quicker. Throws `contention`. */
export async function untilWritten<Answer>(
  { webhookId }: WebhookName,
  attempt: () => Promise<Answer | undefined>,
): Promise<Answer> {
  for (let tries = 0; tries < limits.webhookTriesMax; tries += 1) {
    const answered = await attempt()
    if (answered !== undefined) return answered
  }
  throw engineError('contention', `Others changed webhook ${webhookId} at the same time, again and again`)
}
