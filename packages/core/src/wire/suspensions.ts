import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import {
  type CreateWaitpoint,
  type CreateWaitpointOutcome,
  type DeliverSignal,
  type DeliverSignalOutcome,
  type GetWaitpoint,
  type ListSignals,
  type ListWaitpoints,
  type Signal,
  type Suspend,
  type SuspendItem,
  type SuspendOutcome,
  suspensionReasons,
  suspensionTimeoutBehaviours,
  type Waitpoint,
  type WaitpointState,
  waitpointStates,
} from '../contract/suspensions.js'
import { mintSignalId, mintWaitpointId, parseWaitpointId, partitionIndexOf } from '../ids/index.js'
import { limits } from '../limits.js'
import {
  conditionSchema,
  readResumption,
  readSignal,
  resumptionSchema,
  signalSchema,
  writeResumption,
  writeSignal,
} from './conditions.js'
import { executionPath, pageQuery, readExecutionPath } from './executions.js'
import { fencingSchemas } from './leases.js'
import type { WireCall, WireOperation } from './operation.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { executionId, handle, signalId, suspensionId, timeMs, waitpointId, whole } from './scalars.js'
import { workerBatch } from './worker-batch.js'

const duration = (description: string) => whole(0, limits.durationMsMax, description)

const newWaitpointFields = {
  name: z.string().describe('Unique in the execution.'),
  expiresAtMs: timeMs.optional(),
} as const

const suspendOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('suspended'), suspensionId, timesOutAtMs: timeMs.nullable() }),
  z.object({ outcome: z.literal('already_satisfied'), resumption: resumptionSchema }),
  z.object({ outcome: z.literal('cancelled') }),
  z.object({ outcome: z.literal('waitpoint_conflict'), waitpointId }),
  ...fencingSchemas,
])

const suspendBatch = workerBatch({
  name: 'suspensions.suspend',
  path: '/leases/suspend',
  summary: 'Release leases and wait for a condition; the same attempts go on when it holds.',
  tag: 'leases',
  item: z.strictObject({
    handle,
    suspensionId,
    reason: z.enum(suspensionReasons),
    condition: conditionSchema,
    waitpoints: z.array(z.strictObject({ waitpointId, ...newWaitpointFields })).optional(),
    timeout: z
      .strictObject({
        afterMs: duration('From the suspension on.'),
        behaviour: z.enum(suspensionTimeoutBehaviours),
      })
      .optional(),
    resumePolicy: z
      .strictObject({
        delayMs: duration('How long to wait after the condition held.').optional(),
        closeWaitpoints: z.boolean().optional().describe('Default true.'),
      })
      .optional(),
  }),
  outcome: suspendOutcomeSchema,
  readItem: (wire): SuspendItem => wire,
  writeItem: (item: SuspendItem) => item,
})

export const suspend: WireOperation<Suspend, { readonly items: readonly SuspendOutcome[] }> = {
  ...suspendBatch,
  status: undefined,
  writeAnswer: ({ items }) =>
    suspendBatch.writeAnswer({
      items: items.map((item) =>
        item.outcome === 'already_satisfied'
          ? { ...item, resumption: writeResumption(item.resumption) }
          : item,
      ),
    }),
  readAnswer: (json) => ({
    items: suspendBatch
      .readAnswer(json)
      .items.map(
        (item): SuspendOutcome =>
          item.outcome === 'already_satisfied'
            ? { ...item, resumption: readResumption(item.resumption) }
            : item,
      ),
  }),
}

const waitpointSchema: z.ZodType<Waitpoint> = z.object({
  id: waitpointId,
  executionId,
  name: z.string(),
  state: z.enum(waitpointStates),
  createdAtMs: timeMs,
  expiresAtMs: timeMs.nullable(),
  signalCount: z.number(),
})

const createBody = z.strictObject({
  waitpointId: waitpointId.optional().describe('Minted by the server when absent.'),
  handle: handle.optional(),
  ...newWaitpointFields,
})
const createdSchema = z.object({ outcome: z.enum(['created', 'duplicate']), waitpoint: waitpointSchema })

export const createWaitpoint: WireOperation<CreateWaitpoint, CreateWaitpointOutcome> = {
  name: 'suspensions.createWaitpoint',
  method: 'POST',
  path: '/executions/{id}/waitpoints',
  summary: 'Name a point to wait on, ahead of the suspension.',
  tag: 'waitpoints',
  schemas: { path: executionPath, body: createBody, answer: createdSchema },
  status: ({ outcome }) => (outcome === 'created' ? 201 : 200),
  refusals: [
    'waitpoint_conflict',
    'execution_terminal',
    'stale_lease',
    'lease_expired',
    'lease_revoked',
    'attempt_timed_out',
    'execution_not_active',
  ],
  writeRequest: ({ executionId: id, namespace: _, ...body }) => ({ path: { id }, body }),
  readRequest: (call) => {
    const id = readExecutionPath(call)
    const body = readWire(createBody, call.body)
    const minted = body.waitpointId ?? mintWaitpointId(partitionIndexOf(id))
    return { params: { ...body, waitpointId: minted, namespace: call.namespace, executionId: id } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(createdSchema, json),
}

const waitpointPath = z.strictObject({ id: waitpointId })

function readWaitpointPath(call: WireCall) {
  return parseWaitpointId(readWire(waitpointPath, call.path).id)
}

const closedSchema = z.object({ outcome: z.literal('set'), previous: z.enum(waitpointStates) })

export const closeWaitpoint: WireOperation<
  GetWaitpoint,
  { readonly outcome: 'set'; readonly previous: WaitpointState }
> = {
  name: 'suspensions.closeWaitpoint',
  method: 'POST',
  path: '/waitpoints/{id}/close',
  summary: 'Let a waitpoint take no more signals.',
  tag: 'waitpoints',
  schemas: { path: waitpointPath, answer: closedSchema },
  refusals: [],
  writeRequest: ({ waitpointId: id }) => ({ path: { id } }),
  readRequest: (call) => ({ params: { namespace: call.namespace, waitpointId: readWaitpointPath(call) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(closedSchema, json),
}

const waitpointsQuery = z.strictObject(pageQuery)
const waitpointsPage = pageOf(waitpointSchema)

export const listWaitpoints: WireOperation<ListWaitpoints, Page<Waitpoint>> = {
  name: 'suspensions.listWaitpoints',
  method: 'GET',
  path: '/executions/{id}/waitpoints',
  summary: 'The waitpoints of an execution, oldest first.',
  tag: 'waitpoints',
  schemas: { path: executionPath, query: waitpointsQuery, answer: waitpointsPage },
  refusals: [],
  writeRequest: ({ executionId: id, cursor, limit }) => ({ path: { id }, query: { cursor, limit } }),
  readRequest: (call) => ({
    params: {
      ...readWire(waitpointsQuery, call.query),
      namespace: call.namespace,
      executionId: readExecutionPath(call),
    },
  }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(waitpointsPage, json),
}

const signalBody = z.strictObject({
  signalId: signalId.optional().describe('Minted by the server when absent.'),
  name: z.string(),
  payload: jsonPayload,
  payloadBase64: base64Payload,
  idempotencyKey: z.string().optional().describe('By default the id of the signal. Kept 24 h.'),
})
const deliveredSchema = z.object({
  outcome: z.enum(['accepted', 'satisfied', 'buffered', 'duplicate']),
  signalId,
})

/** The source is no part of the body: whoever serves the call takes it from the credentials or the token. */
export const deliverSignal: WireOperation<DeliverSignal, DeliverSignalOutcome> = {
  name: 'suspensions.deliverSignal',
  method: 'POST',
  path: '/waitpoints/{id}/signal',
  summary: 'Deliver a signal to a waitpoint.',
  tag: 'waitpoints',
  schemas: { path: waitpointPath, body: signalBody, answer: deliveredSchema },
  refusals: ['not_matched', 'waitpoint_closed', 'too_many_signals'],
  writeRequest: ({ waitpointId: id, signalId: signal, name, payload, idempotencyKey }) => {
    const { json, base64 } = writePayload(payload)
    return {
      path: { id },
      body: { signalId: signal, name, payload: json ?? undefined, payloadBase64: base64, idempotencyKey },
    }
  },
  readRequest: (call) => {
    const id = readWaitpointPath(call)
    const body = readWire(signalBody, call.body)
    const minted = body.signalId ?? mintSignalId(partitionIndexOf(id))
    const params = {
      namespace: call.namespace,
      waitpointId: id,
      signalId: minted,
      name: body.name,
      payload: readPayload(body.payload, body.payloadBase64, 'payload'),
      idempotencyKey: body.idempotencyKey ?? minted,
      source: null,
    }
    return { params }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(deliveredSchema, json),
}

const signalsQuery = z.strictObject({
  ...pageQuery,
  waitpointId: waitpointId.optional(),
  suspensionId: suspensionId.optional().describe('Only those that resumed this suspension.'),
})
const signalsPage = pageOf(signalSchema)

export const listSignals: WireOperation<ListSignals, Page<Signal>> = {
  name: 'suspensions.listSignals',
  method: 'GET',
  path: '/executions/{id}/signals',
  summary: 'The signals that were kept for an execution, in the order of their arrival.',
  tag: 'waitpoints',
  schemas: { path: executionPath, query: signalsQuery, answer: signalsPage },
  refusals: [],
  writeRequest: ({ executionId: id, namespace: _, ...query }) => ({ path: { id }, query }),
  readRequest: (call) => ({
    params: {
      ...readWire(signalsQuery, call.query),
      namespace: call.namespace,
      executionId: readExecutionPath(call),
    },
  }),
  writeAnswer: ({ items, nextCursor }) => ({ items: items.map(writeSignal), nextCursor }),
  readAnswer: (json) => {
    const { items, nextCursor } = readReply(signalsPage, json)
    return { items: items.map(readSignal), nextCursor }
  },
}
