import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import type {
  AcquireQuota,
  AcquireQuotaOutcome,
  CreateQuota,
  CreateQuotaOutcome,
  GetQuota,
  ListQuotas,
  Quota,
  ReleaseQuota,
  ReleaseQuotaOutcome,
  UpdateQuota,
} from '../contract/quotas.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { mintQuotaId, parseQuotaId, type QuotaId } from '../ids/index.js'
import { limits } from '../limits.js'
import { quotaKey, quotaSettingsFields, statedQuotaFields } from './demands.js'
import { pageQuery } from './executions.js'
import { fencingSchemas } from './leases.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { handle, quotaId, timeMs, whole } from './scalars.js'
import { workerBatch } from './worker-batch.js'

const tag = 'quotas'
const quotaPath = z.strictObject({ quotaId })

function readQuotaPath(call: WireCall): {
  readonly namespace: WireCall['namespace']
  readonly quotaId: QuotaId
} {
  return { namespace: call.namespace, quotaId: readWire(quotaPath, call.path).quotaId }
}

const quotaSchema: z.ZodType<Quota> = z.object({
  id: quotaId,
  ...quotaSettingsFields,
  createdAtMs: timeMs,
  key: z.string().describe('Whose counts are shown.'),
  held: z.number(),
  unitsInWindow: z.number(),
  waiting: z.number().describe('Admission keys that wait for it.'),
  retryAtMs: timeMs.nullable().describe('When the rate has room again; null when it has.'),
})

const putBody = z.strictObject(statedQuotaFields)
const createBody = z.strictObject({
  ...statedQuotaFields,
  quotaId: quotaId.optional().describe('Minted by the server when absent.'),
  idempotencyKey: z.string().optional().describe('A repeat under the same key means the same quota.'),
})
const createSchema = z.object({ outcome: z.enum(['created', 'duplicate']), quota: quotaSchema })

const createAnswers = {
  status: ({ outcome }: CreateQuotaOutcome) => (outcome === 'created' ? 201 : 200),
  refusals: ['quota_conflict'],
  writeAnswer: (answer: CreateQuotaOutcome) => answer,
  readAnswer: (json: unknown): CreateQuotaOutcome => readReply(createSchema, json),
}

export const putQuota: WireOperation<CreateQuota, CreateQuotaOutcome> = {
  ...createAnswers,
  name: 'quotas.create',
  method: 'PUT',
  path: '/quotas/{quotaId}',
  summary: 'Create a quota by its id.',
  tag,
  schemas: { path: quotaPath, body: putBody, answer: createSchema },
  writeRequest: ({ namespace: _, quotaId: id, ...body }) => ({ path: { quotaId: id }, body }),
  readRequest: (call) => ({ params: { ...readQuotaPath(call), ...readWire(putBody, call.body) } }),
}

/** The same for callers that mint no ids. */
export const createQuota: WireOperation<CreateQuota, CreateQuotaOutcome> = {
  ...createAnswers,
  name: 'quotas.createMinted',
  method: 'POST',
  path: '/quotas',
  summary: 'Create a quota.',
  tag,
  schemas: { body: createBody, answer: createSchema },
  writeRequest: ({ namespace: _, ...body }) => ({ body }),
  readRequest: (call) => {
    const { quotaId: stated, idempotencyKey, ...settings } = readWire(createBody, call.body)
    const id = stated ?? mintIdOf(call, idempotencyKey)
    return { params: { ...settings, namespace: call.namespace, quotaId: id } }
  },
}

function mintIdOf({ namespace }: WireCall, idempotencyKey: string | undefined): QuotaId {
  if (idempotencyKey === undefined) return mintQuotaId()
  return parseQuotaId(deriveUuid('quota', namespace, idempotencyKey))
}

const keyQuery = z.strictObject({ key: quotaKey.optional() })
type Got = { readonly outcome: 'found'; readonly quota: Quota }
const getSchema = z.object({ outcome: z.literal('found'), quota: quotaSchema })

export const getQuota: WireOperation<GetQuota, Got> = {
  name: 'quotas.get',
  method: 'GET',
  path: '/quotas/{quotaId}',
  summary: 'Read a quota, with the counts of one of its keys.',
  tag,
  schemas: { path: quotaPath, query: keyQuery, answer: getSchema },
  refusals: [],
  writeRequest: ({ quotaId: id, key }) => ({ path: { quotaId: id }, query: { key } }),
  readRequest: (call) => ({ params: { ...readQuotaPath(call), ...readWire(keyQuery, call.query) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(getSchema, json),
}

const listQuery = z.strictObject(pageQuery)

export const listQuotas: WireOperation<ListQuotas, Page<Quota>> = {
  name: 'quotas.list',
  method: 'GET',
  path: '/quotas',
  summary: 'List quotas, newest first, with the counts of the empty key.',
  tag,
  schemas: { query: listQuery, answer: pageOf(quotaSchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: { ...readWire(listQuery, call.query), namespace: call.namespace } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(quotaSchema), json),
}

const settingsBody = z.strictObject(statedQuotaFields).partial()
const updateSchema = z.object({ outcome: z.literal('updated'), quota: quotaSchema })

export const updateQuota: WireOperation<UpdateQuota, { readonly outcome: 'updated'; readonly quota: Quota }> =
  {
    name: 'quotas.update',
    method: 'POST',
    path: '/quotas/{quotaId}/settings',
    summary: 'Change limits or strategy. What is absent stays.',
    tag,
    schemas: { path: quotaPath, body: settingsBody, answer: updateSchema },
    refusals: [],
    writeRequest: ({ quotaId: id, settings }) => ({ path: { quotaId: id }, body: settings }),
    readRequest: (call) => ({
      params: { ...readQuotaPath(call), settings: readWire(settingsBody, call.body) },
    }),
    writeAnswer: (answer) => answer,
    readAnswer: (json) => readReply(updateSchema, json),
  }

const useFields = {
  handle,
  quotaId,
  key: quotaKey.optional(),
  holderKey: z.string().describe('Tells several uses by one attempt apart.'),
} as const

export const acquireQuota: WireOperation<AcquireQuota, { readonly items: readonly AcquireQuotaOutcome[] }> =
  workerBatch({
    name: 'quotas.acquire',
    path: '/leases/acquire',
    summary: 'Take slots and rate units for the handlers’ own use.',
    tag: 'leases',
    item: z.strictObject({
      ...useFields,
      cost: whole(0, limits.quotaUnitsMax, 'Rate units, default 1.').optional(),
    }),
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.enum(['acquired', 'already_acquired']) }),
      z.object({ outcome: z.literal('quota_exceeded'), retryAtMs: timeMs.nullable() }),
      ...fencingSchemas,
    ]),
    readItem: (wire) => wire,
    writeItem: (item) => item,
  })

export const releaseQuota: WireOperation<ReleaseQuota, { readonly items: readonly ReleaseQuotaOutcome[] }> =
  workerBatch({
    name: 'quotas.release',
    path: '/leases/release',
    summary: 'Give slots back before the attempts end.',
    tag: 'leases',
    item: z.strictObject(useFields),
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.enum(['released', 'not_held']) }),
      ...fencingSchemas,
    ]),
    readItem: (wire) => wire,
    writeItem: (item) => item,
  })
