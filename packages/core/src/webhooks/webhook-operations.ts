import type {
  PutWebhook,
  RedeliverWebhook,
  RotateWebhookSecret,
  SetWebhookState,
  WebhookOperations,
  WebhookSecretRef,
} from '../contract/webhooks.js'
import { readRecordPlace, writeRecordPlace } from '../due-records/record-place.js'
import { engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { tooManyRecords } from '../validation/records.js'
import { checkScanRequest } from '../validation/scans.js'
import {
  checkDeliverDue,
  checkGetWebhook,
  checkListDeliveries,
  checkListWebhooks,
  checkPutWebhook,
  checkRedeliverWebhook,
  checkRotateWebhookSecret,
  checkSetWebhookState,
} from '../validation/webhooks.js'
import { deliverDue } from './deliver-due.js'
import { disable, dueAtOf, enable, firstProgress, waitAgain } from './progress.js'
import type { StoredDelivery, WebhookDefinition } from './record.js'
import { webhookText } from './record-text.js'
import {
  readWebhook,
  requireWebhook,
  untilWritten,
  type WebhookParts,
  writeWebhook,
} from './webhook-parts.js'
import { secretsAt, showDelivery, showWebhook } from './webhook-views.js'

/** What one try of an operation answers: nothing where somebody else was quicker. */
type Answer<Name extends keyof WebhookOperations> = Promise<
  Awaited<ReturnType<WebhookOperations[Name]>> | undefined
>

/**
 * The role `webhooks` over any store: what is delivered next is decided here, and a store keeps records that it writes on
 * condition, and the feed.
 */
export function createWebhookOperations(parts: WebhookParts): WebhookOperations {
  const { store } = parts
  return {
    async put(params) {
      checkPutWebhook(params, await parts.partitions())
      return untilWritten(params, () => putOnce(parts, params))
    },

    async get(params) {
      checkGetWebhook(params)
      const { webhook } = await requireWebhook(parts, params)
      return { outcome: 'found', webhook: showWebhook(webhook) }
    },

    async list(params) {
      checkListWebhooks(params)
      const limit = params.limit ?? limits.pageSizeDefault
      const after = params.cursor === undefined ? undefined : readRecordPlace(params.cursor)
      const rows = await store.list({ namespace: params.namespace, after, limit: limit + 1 })
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map((row) => showWebhook(webhookText.read(row))),
        nextCursor: rows.length > limit && last !== undefined ? writeRecordPlace(last) : null,
      }
    },

    async delete(params) {
      checkGetWebhook(params)
      return untilWritten(params, async (): Answer<'delete'> => {
        const { row } = await store.read({ namespace: params.namespace, id: params.webhookId })
        if (row === undefined) return { outcome: 'not_found' }
        const isRemoved = await store.remove({ ...row, expected: row.version })
        return isRemoved ? { outcome: 'deleted' } : undefined
      })
    },

    async setState(params) {
      checkSetWebhookState(params)
      return untilWritten(params, () => setStateOnce(parts, params))
    },

    async rotateSecret(params) {
      checkRotateWebhookSecret(params)
      return untilWritten(params, () => rotateOnce(parts, params))
    },

    async deliverDue(params) {
      const partition = checkScanRequest(params, await parts.partitions(), 'quota')
      checkDeliverDue(params)
      return deliverDue(parts, partition, params)
    },

    async listDeliveries(params) {
      checkListDeliveries(params)
      const limit = params.limit ?? limits.pageSizeDefault
      const after = params.cursor === undefined ? undefined : readRecordPlace(params.cursor)
      const { webhook } = await requireWebhook(parts, params)
      const { pending, failed, delivered } = webhook.progress
      const rest = [...pending, ...failed, ...delivered]
        .filter(({ state }) => params.state === undefined || state === params.state)
        .sort(byPlace)
        .filter((each) => after === undefined || comparePlaces(placeOf(each), after) > 0)
      const page = rest.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map((delivery) => showDelivery(webhook, delivery)),
        nextCursor: rest.length > limit && last !== undefined ? writeRecordPlace(placeOf(last)) : null,
      }
    },

    async redeliver(params) {
      checkRedeliverWebhook(params)
      return untilWritten(params, () => redeliverOnce(parts, params))
    },
  }
}

async function putOnce(parts: WebhookParts, params: PutWebhook): Answer<'put'> {
  const { namespace, webhookId, url, label = null, filter = {}, keyId } = params
  const { nowMs, webhook } = await readWebhook(parts, params)
  const definition: WebhookDefinition = {
    url,
    label,
    filter,
    attemptsMax: params.attemptsMax ?? limits.webhookAttemptsDefault,
    updatedAtMs: nowMs,
    secrets: webhook?.definition.secrets ?? [{ number: 1, keyId, createdAtMs: nowMs, signsUntilMs: null }],
  }
  if (webhook !== undefined) {
    const written = await writeWebhook(parts, webhook, webhook.progress, definition)
    return written && { outcome: 'changed', webhook: showWebhook(written) }
  }
  await requireRoom(parts, params)
  const { cursor } = await parts.events.read({ namespace, from: 'now', limit: 1 })
  const progress = firstProgress(cursor, nowMs)
  const dueAtMs = dueAtOf(progress)
  const { isWritten } = await parts.store.write({
    namespace,
    id: webhookId,
    expected: null,
    dueAtMs,
    definition: webhookText.ofDefinition(definition),
    progress: webhookText.ofProgress(progress),
    createdAtMs: nowMs,
  })
  if (!isWritten) return undefined
  const created = { namespace, webhookId, version: 1, createdAtMs: nowMs, dueAtMs, definition, progress }
  return { outcome: 'created', webhook: showWebhook(created) }
}

/** Several that are created at once may pass the limit together: nothing rests on its being exact. */
async function requireRoom({ store }: WebhookParts, { namespace }: PutWebhook): Promise<void> {
  const rows = await store.list({ namespace, after: undefined, limit: limits.webhooksMax })
  if (rows.length >= limits.webhooksMax) throw tooManyRecords('webhooks', limits.webhooksMax)
}

async function setStateOnce(parts: WebhookParts, params: SetWebhookState): Answer<'setState'> {
  const { nowMs, webhook } = await requireWebhook(parts, params)
  if (webhook.progress.state === params.state) return { outcome: 'unchanged' }
  const progress =
    params.state === 'active' ? enable(webhook.progress, nowMs) : disable(webhook.progress, 'operator', nowMs)
  const written = await writeWebhook(parts, webhook, progress)
  return written && { outcome: params.state }
}

async function rotateOnce(parts: WebhookParts, params: RotateWebhookSecret): Answer<'rotateSecret'> {
  const { keyId, overlapMs = limits.webhookOverlapMsDefault } = params
  const { nowMs, webhook } = await requireWebhook(parts, params)
  const { secrets } = webhook.definition
  const untilMs = nowMs + overlapMs
  const earlier = secrets.map((secret) => ({
    ...secret,
    signsUntilMs: Math.min(secret.signsUntilMs ?? untilMs, untilMs),
  }))
  const latest: WebhookSecretRef = {
    number: (secrets[0]?.number ?? 0) + 1,
    keyId,
    createdAtMs: nowMs,
    signsUntilMs: null,
  }
  const kept = [latest, ...secretsAt(earlier, nowMs)]
  if (kept.length > limits.webhookSecretsMax) throw tooManyRecords('secrets', limits.webhookSecretsMax)
  const definition = { ...webhook.definition, secrets: kept }
  const written = await writeWebhook(parts, webhook, webhook.progress, definition)
  return written && { outcome: 'rotated', webhook: showWebhook(written) }
}

async function redeliverOnce(parts: WebhookParts, params: RedeliverWebhook): Answer<'redeliver'> {
  const { deliveryId } = params
  const { nowMs, webhook } = await requireWebhook(parts, params)
  const { pending } = webhook.progress
  if (pending.some((each) => each.deliveryId === deliveryId)) return { outcome: 'already_pending', count: 0 }
  const isMeant = (each: StoredDelivery) =>
    deliveryId === undefined ? each.state === 'given_up' : each.deliveryId === deliveryId
  const { progress, count } = waitAgain(webhook.progress, isMeant, nowMs)
  if (count === 0 && deliveryId !== undefined) {
    throw engineError('webhook_delivery_not_found', `The webhook keeps no delivery ${deliveryId}`)
  }
  if (count === 0) return { outcome: 'redelivering', count }
  const written = await writeWebhook(parts, webhook, progress)
  return written && { outcome: 'redelivering', count }
}

function placeOf({ event, deliveryId }: StoredDelivery) {
  return { createdAtMs: event.atMs, id: deliveryId }
}

type Place = ReturnType<typeof placeOf>

function byPlace(a: StoredDelivery, b: StoredDelivery): number {
  return comparePlaces(placeOf(a), placeOf(b))
}

/** The latest event first. */
function comparePlaces(a: Place, b: Place): number {
  if (a.createdAtMs !== b.createdAtMs) return b.createdAtMs - a.createdAtMs
  if (a.id === b.id) return 0
  return a.id > b.id ? -1 : 1
}
