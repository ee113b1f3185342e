import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import type { ExecutionFilter } from '../contract/executions.js'
import {
  type BulkOperations,
  type ChangeOperation,
  type CreateOperation,
  type CreateOperationOutcome,
  type GetOperation,
  type ListOperations,
  type Operation,
  type OperationWork,
  operationStates,
} from '../contract/operations.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { mintOperationId, type OperationId, parseOperationId } from '../ids/index.js'
import { limits } from '../limits.js'
import { bodyOr, pageQuery, reasonField } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf, publicStateSchema } from './records.js'
import { budgetId, executionId, flowId, kindName, laneName, operationId, timeMs, whole } from './scalars.js'
import { tagsSchema } from './specs.js'

const tag = 'operations'
const operationPath = z.strictObject({ operationId })

function readPath(call: WireCall): GetOperation {
  return { namespace: call.namespace, operationId: readWire(operationPath, call.path).operationId }
}

const filterSchema: z.ZodType<ExecutionFilter> = z
  .strictObject({
    lane: laneName.optional(),
    kind: kindName.optional(),
    states: z.array(publicStateSchema).optional().describe('Any of them.'),
    flowId: flowId.optional(),
    tags: tagsSchema.optional().describe('All of them.'),
    createdFromMs: whole(0, limits.timeMsMax).optional(),
    createdBeforeMs: whole(0, limits.timeMsMax).optional(),
    endedFromMs: whole(0, limits.timeMsMax).optional(),
    endedBeforeMs: whole(0, limits.timeMsMax).optional(),
  })
  .describe('All given fields must match.')

const byFilter = { filter: filterSchema, reason: reasonField } as const
const cancelSchema = z.strictObject({ kind: z.literal('cancel'), ...byFilter })
const replaySchema = z.strictObject({ kind: z.literal('replay'), ...byFilter })
const breachSchema = z.object({
  kind: z.literal('budget_breach'),
  budgetId,
  rule: z.enum(['cancel_pending', 'fail_running']),
})
/** What a user may ask for. */
const askedSchema = z.discriminatedUnion('kind', [cancelSchema, replaySchema])
const workSchema: z.ZodType<OperationWork> = z.discriminatedUnion('kind', [
  cancelSchema,
  replaySchema,
  breachSchema,
])

const operationSchema: z.ZodType<Operation> = z.object({
  id: operationId,
  work: workSchema,
  state: z.enum(operationStates),
  done: z.number(),
  unchanged: z.number().describe('They ended, ran again or went before their turn.'),
  failed: z.number(),
  total: z
    .number()
    .nullable()
    .describe('How many matched shortly after it began; null where that is not known.'),
  failures: z.array(z.object({ executionId, code: z.string() })).describe('The first 100.'),
  createdAtMs: timeMs,
  endedAtMs: timeMs.nullable(),
})

const naming = {
  operationId: operationId.optional().describe('Minted by the server when absent.'),
  idempotencyKey: z.string().optional().describe('A repeat under the same key means the same operation.'),
} as const
const createSchema = z.object({ outcome: z.enum(['created', 'duplicate']), operation: operationSchema })

const createAnswers = {
  method: 'POST',
  tag,
  status: ({ outcome }: CreateOperationOutcome) => (outcome === 'created' ? 201 : 200),
  refusals: ['operation_conflict'],
  writeAnswer: (answer: CreateOperationOutcome) => answer,
  readAnswer: (json: unknown): CreateOperationOutcome => readReply(createSchema, json),
} as const

function named(
  { namespace }: WireCall,
  {
    operationId: stated,
    idempotencyKey,
  }: { readonly operationId?: OperationId | undefined; readonly idempotencyKey?: string | undefined },
): GetOperation {
  if (stated !== undefined) return { namespace, operationId: stated }
  if (idempotencyKey === undefined) return { namespace, operationId: mintOperationId() }
  return { namespace, operationId: parseOperationId(deriveUuid('operation', namespace, idempotencyKey)) }
}

const createBody = z.strictObject({ ...naming, work: askedSchema })

export const createOperation: WireOperation<CreateOperation, CreateOperationOutcome> = {
  ...createAnswers,
  name: 'operations.create',
  path: '/operations',
  summary: 'Cancel or replay all executions that match, as a durable operation.',
  schemas: { body: createBody, answer: createSchema },
  writeRequest: ({ operationId: id, work }) => ({ body: { operationId: id, work } }),
  readRequest: (call) => {
    const { work, ...names } = readWire(createBody, call.body)
    return { params: { ...named(call, names), work } }
  },
}

const bulkBody = z.strictObject({ ...naming, ...byFilter })

function bulk(
  kind: 'cancel' | 'replay',
  summary: string,
): WireOperation<CreateOperation, CreateOperationOutcome> {
  return {
    ...createAnswers,
    name: `operations.${kind}`,
    path: `/executions:${kind}`,
    summary,
    schemas: { body: bulkBody, answer: createSchema },
    writeRequest: ({ operationId: id, work }) => ({
      body: { operationId: id, ...(work.kind === kind ? { filter: work.filter, reason: work.reason } : {}) },
    }),
    readRequest: (call) => {
      const { filter, reason, ...names } = readWire(bulkBody, call.body)
      return { params: { ...named(call, names), work: { kind, filter, reason } } }
    },
  }
}

export const cancelMatching = bulk('cancel', 'Cancel all executions that match, as a durable operation.')
export const replayMatching = bulk(
  'replay',
  'Replay all executions that match, as a durable operation. The filter names the states.',
)

type Found = Awaited<ReturnType<BulkOperations['get']>>

export const getOperation: WireOperation<GetOperation, Found> = {
  name: 'operations.get',
  method: 'GET',
  path: '/operations/{operationId}',
  summary: 'Read an operation: how far it has come, and what it could not do.',
  tag,
  schemas: { path: operationPath, answer: operationSchema },
  refusals: [],
  writeRequest: ({ operationId: id }) => ({ path: { operationId: id } }),
  readRequest: (call) => ({ params: readPath(call) }),
  writeAnswer: ({ operation }) => operation,
  readAnswer: (json) => ({ outcome: 'found', operation: readReply(operationSchema, json) }),
}

const listQuery = z.strictObject(pageQuery)

export const listOperations: WireOperation<ListOperations, Page<Operation>> = {
  name: 'operations.list',
  method: 'GET',
  path: '/operations',
  summary: 'List operations, newest first.',
  tag,
  schemas: { query: listQuery, answer: pageOf(operationSchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: { ...readWire(listQuery, call.query), namespace: call.namespace } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(operationSchema), json),
}

const reasonBody = z.strictObject({ reason: reasonField })

function change<const Outcome extends string>(
  action: string,
  summary: string,
  outcomes: readonly [Outcome, ...Outcome[]],
): WireOperation<ChangeOperation, { readonly outcome: Outcome }> {
  const answer = z.object({ outcome: z.enum(outcomes) }) as unknown as z.ZodType<{
    readonly outcome: Outcome
  }>
  return {
    name: `operations.${action}`,
    method: 'POST',
    path: `/operations/{operationId}/${action}`,
    summary,
    tag,
    schemas: { path: operationPath, body: reasonBody, answer },
    refusals: [],
    writeRequest: ({ operationId: id, reason }) => ({ path: { operationId: id }, body: { reason } }),
    readRequest: (call) => ({ params: { ...readPath(call), ...readWire(reasonBody, bodyOr(call)) } }),
    writeAnswer: (value) => value,
    readAnswer: (json) => readReply(answer, json),
  }
}

export const pauseOperation = change('pause', 'Wait after the batch that runs.', [
  'paused',
  'already_paused',
  'already_ended',
])
export const resumeOperation = change('resume', 'Go on where it stopped.', [
  'resumed',
  'not_paused',
  'already_ended',
])
export const stopOperation = change('stop', 'End after the batch that runs. What is done stays.', [
  'stopped',
  'already_ended',
])
