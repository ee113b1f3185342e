import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import {
  deliveryFailures,
  type GetWebhook,
  type ListDeliveries,
  type ListWebhooks,
  type RedeliverWebhook,
  type SetWebhookState,
  type Webhook,
  type WebhookDelivery,
  type WebhookFilter,
  type WebhookOperations,
  webhookDisabledCauses,
  webhookEventNames,
  webhookStates,
} from '../contract/webhooks.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { mintWebhookId, parseWebhookId, type WebhookId } from '../ids/index.js'
import { limits } from '../limits.js'
import type {
  KeptWebhook,
  KeptWebhookOutcome,
  RotatedSecret,
  RotateKeptSecret,
} from '../webhooks/webhook-keeper.js'
import { eventSchema } from './events.js'
import { bodyOr, pageQuery, reasonField } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { executionId, flowId, laneName, timeMs, webhookId, whole } from './scalars.js'

const tag = 'webhooks'
const webhookPath = z.strictObject({ webhookId })

function readPath(call: WireCall): GetWebhook {
  return { namespace: call.namespace, webhookId: readWire(webhookPath, call.path).webhookId }
}

const eventName = z
  .string()
  .meta({ description: 'Such as `execution.completed`, or `execution` for all of its kind.' })
const filterSchema: z.ZodType<WebhookFilter> = z
  .strictObject({
    executionId: executionId.optional(),
    flowId: flowId.optional(),
    lane: laneName.optional(),
    names: z
      .array(eventName)
      .optional()
      .describe(`Any of them: ${webhookEventNames.join(', ')}.`),
  })
  .describe('All given fields must match.')

const failure = z.enum(deliveryFailures)
const secretSchema = z.object({
  number: z.number(),
  keyId: z.string(),
  createdAtMs: timeMs,
  signsUntilMs: timeMs.nullable(),
})
const webhookSchema: z.ZodType<Webhook> = z.object({
  id: webhookId,
  url: z.string(),
  label: z.string().nullable(),
  filter: filterSchema,
  attemptsMax: z.number(),
  state: z.enum(webhookStates),
  disabledBecause: z.enum(webhookDisabledCauses).nullable(),
  disabledAtMs: timeMs.nullable(),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
  secrets: z.array(secretSchema).describe('The latest first, without the secrets.'),
  pending: z.number().describe('Deliveries that wait or are under way.'),
  failed: z.number().describe('Deliveries that were given up and are still listed.'),
  lastDeliveredAtMs: timeMs.nullable(),
  failingSinceMs: timeMs.nullable(),
  lastFailure: z.object({ atMs: timeMs, failure, httpStatus: z.number().nullable() }).nullable(),
  missedAtMs: timeMs.nullable().describe('When the feed had not kept events until their turn.'),
})

const settings = {
  url: z.string().describe('Where deliveries are posted to; `https:` unless the server allows more.'),
  label: z.string().optional(),
  filter: filterSchema.optional(),
  attemptsMax: whole(
    1,
    limits.webhookAttemptsMax,
    'Tries of a delivery; default 12, about a day.',
  ).optional(),
  reason: reasonField,
} as const

const putSchema = z.object({
  outcome: z.enum(['created', 'changed']),
  webhook: webhookSchema,
  secret: z.string().nullable().describe('`whsec_…`, told when it is created and never again.'),
})

const putAnswers = {
  tag,
  status: ({ outcome }: KeptWebhookOutcome) => (outcome === 'created' ? 201 : 200),
  refusals: [],
  writeAnswer: (answer: KeptWebhookOutcome) => answer,
  readAnswer: (json: unknown): KeptWebhookOutcome => readReply(putSchema, json),
} as const

const putBody = z.strictObject(settings)

export const putWebhook: WireOperation<KeptWebhook, KeptWebhookOutcome> = {
  ...putAnswers,
  name: 'webhooks.put',
  method: 'PUT',
  path: '/webhooks/{webhookId}',
  summary: 'Create or change a webhook: signed, retried deliveries of chosen events.',
  schemas: { path: webhookPath, body: putBody, answer: putSchema },
  writeRequest: ({ namespace: _, webhookId: id, ...body }) => ({ path: { webhookId: id }, body }),
  readRequest: (call) => ({ params: { ...readWire(putBody, call.body), ...readPath(call) } }),
}

const createBody = z.strictObject({
  ...settings,
  webhookId: webhookId.optional().describe('Minted by the server when absent.'),
  idempotencyKey: z.string().optional().describe('A repeat under the same key means the same webhook.'),
})

export const createWebhook: WireOperation<KeptWebhook, KeptWebhookOutcome> = {
  ...putAnswers,
  name: 'webhooks.create',
  method: 'POST',
  path: '/webhooks',
  summary: 'Create a webhook: signed, retried deliveries of chosen events.',
  schemas: { body: createBody, answer: putSchema },
  writeRequest: ({ namespace: _, ...body }) => ({ body }),
  readRequest: (call) => {
    const { webhookId: stated, idempotencyKey, ...rest } = readWire(createBody, call.body)
    const id = stated ?? mintIdOf(call, idempotencyKey)
    return { params: { ...rest, namespace: call.namespace, webhookId: id } }
  },
}

function mintIdOf({ namespace }: WireCall, idempotencyKey: string | undefined): WebhookId {
  if (idempotencyKey === undefined) return mintWebhookId()
  return parseWebhookId(deriveUuid('webhook', namespace, idempotencyKey))
}

type Found = Awaited<ReturnType<WebhookOperations['get']>>

export const getWebhook: WireOperation<GetWebhook, Found> = {
  name: 'webhooks.get',
  method: 'GET',
  path: '/webhooks/{webhookId}',
  summary: 'Read a webhook: what it delivers, and how that goes.',
  tag,
  schemas: { path: webhookPath, answer: webhookSchema },
  refusals: [],
  writeRequest: ({ webhookId: id }) => ({ path: { webhookId: id } }),
  readRequest: (call) => ({ params: readPath(call) }),
  writeAnswer: ({ webhook }) => webhook,
  readAnswer: (json) => ({ outcome: 'found', webhook: readReply(webhookSchema, json) }),
}

const listQuery = z.strictObject(pageQuery)

export const listWebhooks: WireOperation<ListWebhooks, Page<Webhook>> = {
  name: 'webhooks.list',
  method: 'GET',
  path: '/webhooks',
  summary: 'List webhooks, newest first.',
  tag,
  schemas: { query: listQuery, answer: pageOf(webhookSchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: { ...readWire(listQuery, call.query), namespace: call.namespace } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(webhookSchema), json),
}

const deletedSchema = z.object({ outcome: z.enum(['deleted', 'not_found']) })

export const deleteWebhook: WireOperation<GetWebhook, z.infer<typeof deletedSchema>> = {
  name: 'webhooks.delete',
  method: 'DELETE',
  path: '/webhooks/{webhookId}',
  summary: 'Delete a webhook, with what waits. What is under way may still arrive.',
  tag,
  schemas: { path: webhookPath, answer: deletedSchema },
  refusals: [],
  writeRequest: ({ webhookId: id }) => ({ path: { webhookId: id } }),
  readRequest: (call) => ({ params: readPath(call) }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(deletedSchema, json),
}

const stateBody = z.strictObject({ state: z.enum(webhookStates), reason: reasonField })
const stateSchema = z.object({ outcome: z.enum([...webhookStates, 'unchanged']) })

export const setWebhookState: WireOperation<SetWebhookState, z.infer<typeof stateSchema>> = {
  name: 'webhooks.setState',
  method: 'POST',
  path: '/webhooks/{webhookId}/state',
  summary: 'Stop delivering, or go on where it stopped.',
  tag,
  schemas: { path: webhookPath, body: stateBody, answer: stateSchema },
  refusals: [],
  writeRequest: ({ webhookId: id, state, reason }) => ({ path: { webhookId: id }, body: { state, reason } }),
  readRequest: (call) => ({ params: { ...readPath(call), ...readWire(stateBody, call.body) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(stateSchema, json),
}

const rotateBody = z.strictObject({
  overlapMs: whole(
    0,
    limits.webhookOverlapMsMax,
    'For how long earlier secrets still sign; default 24 h.',
  ).optional(),
  reason: reasonField,
})
const rotatedSchema = z.object({
  outcome: z.literal('rotated'),
  webhook: webhookSchema,
  secret: z.string().describe('`whsec_…`, told this once.'),
})

export const rotateWebhookSecret: WireOperation<RotateKeptSecret, RotatedSecret> = {
  name: 'webhooks.rotateSecret',
  method: 'POST',
  path: '/webhooks/{webhookId}/secrets',
  summary: 'Make another secret. Deliveries carry signatures of both until the overlap has passed.',
  tag,
  schemas: { path: webhookPath, body: rotateBody, answer: rotatedSchema },
  status: () => 201,
  refusals: [],
  writeRequest: ({ webhookId: id, overlapMs, reason }) => ({
    path: { webhookId: id },
    body: { overlapMs, reason },
  }),
  readRequest: (call) => ({ params: { ...readPath(call), ...readWire(rotateBody, bodyOr(call)) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(rotatedSchema, json),
}

const deliveryStates = ['pending', 'delivered', 'given_up'] as const
const deliverySchema: z.ZodType<WebhookDelivery> = z.object({
  deliveryId: z.string().describe('The header `webhook-id` of each try.'),
  webhookId,
  event: eventSchema,
  state: z.enum(deliveryStates),
  attemptCount: z.number(),
  nextAttemptAtMs: timeMs.nullable(),
  lastFailure: failure.nullable(),
  lastHttpStatus: z.number().nullable(),
  endedAtMs: timeMs.nullable(),
})

const deliveriesQuery = z.strictObject({ ...pageQuery, state: z.enum(deliveryStates).optional() })

export const listDeliveries: WireOperation<ListDeliveries, Page<WebhookDelivery>> = {
  name: 'webhooks.listDeliveries',
  method: 'GET',
  path: '/webhooks/{webhookId}/deliveries',
  summary: 'What waits, the last that were given up and the last that arrived, the latest event first.',
  tag,
  schemas: { path: webhookPath, query: deliveriesQuery, answer: pageOf(deliverySchema) },
  refusals: [],
  writeRequest: ({ webhookId: id, cursor, limit, state }) => ({
    path: { webhookId: id },
    query: { cursor, limit, state },
  }),
  readRequest: (call) => ({ params: { ...readWire(deliveriesQuery, call.query), ...readPath(call) } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(deliverySchema), json),
}

const redeliverBody = z.strictObject({
  deliveryId: z.string().optional().describe('Absent: all that were given up and are still listed.'),
  reason: reasonField,
})
const redeliverSchema = z.object({
  outcome: z.enum(['redelivering', 'already_pending']),
  count: z.number(),
})

export const redeliverWebhook: WireOperation<RedeliverWebhook, z.infer<typeof redeliverSchema>> = {
  name: 'webhooks.redeliver',
  method: 'POST',
  path: '/webhooks/{webhookId}/redeliver',
  summary: 'Deliver again what was given up, or one that arrived, under the same id.',
  tag,
  schemas: { path: webhookPath, body: redeliverBody, answer: redeliverSchema },
  refusals: [],
  writeRequest: ({ webhookId: id, deliveryId, reason }) => ({
    path: { webhookId: id },
    body: { deliveryId, reason },
  }),
  readRequest: (call) => ({ params: { ...readPath(call), ...readWire(redeliverBody, bodyOr(call)) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(redeliverSchema, json),
}
