import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import type { DeliverSignal, DeliverSignalOutcome, ListSignals, Signal } from '../contract/suspensions.js'
import {
  deriveWaitpointId,
  isWaitpointId,
  mintSignalId,
  partitionIndexOf,
  type WaitpointId,
} from '../ids/index.js'
import { defaultNamespace } from '../names.js'
import type { SignalByToken } from '../signing/waitpoint-tokens.js'
import { readSignal, signalSchema, writeSignal } from './conditions.js'
import { executionPath, pageQuery, readExecutionPath } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { signalId, suspensionId, waitpointId } from './scalars.js'
import { readWaitpointPath, waitpointPath } from './waitpoints.js'

const signalFields = {
  signalId: signalId.optional().describe('Minted by the server when absent.'),
  name: z.string(),
  payload: jsonPayload,
  payloadBase64: base64Payload,
  idempotencyKey: z.string().optional().describe('By default the id of the signal. Kept 24 h.'),
} as const
const signalBody = z.strictObject({
  ...signalFields,
  token: z
    .string()
    .optional()
    .describe('The waitpoint’s token, in place of other credentials; also as the header FF-Waitpoint-Token.'),
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
    return { params: readSignalBody(call, id, readWire(signalBody, call.body)) }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(deliveredSchema, json),
}

function readSignalBody(
  { namespace }: WireCall,
  id: WaitpointId,
  body: Omit<z.output<typeof signalBody>, 'token'>,
): DeliverSignal {
  const minted = body.signalId ?? mintSignalId(partitionIndexOf(id))
  return {
    namespace,
    waitpointId: id,
    signalId: minted,
    name: body.name,
    payload: readPayload(body.payload, body.payloadBase64, 'payload'),
    idempotencyKey: body.idempotencyKey ?? minted,
    source: null,
  }
}

/** As a header it is seen before the body is read. */
export const waitpointTokenHeader = 'ff-waitpoint-token'

/** The same route for whoever bears the waitpoint’s token, and needs no other credentials. */
export const signalByToken: WireOperation<SignalByToken, DeliverSignalOutcome> = {
  ...deliverSignal,
  writeRequest: ({ token, ...params }) => ({
    ...deliverSignal.writeRequest({ ...params, namespace: defaultNamespace, source: null }),
    headers: { [waitpointTokenHeader]: token },
  }),
  readRequest: (call) => {
    const { namespace: _, source: __, ...params } = deliverSignal.readRequest(call).params
    return { params: { ...params, token: readPresentedToken(call) ?? '' } }
  },
}

/** The waitpoint’s token that a call presents, if it does. */
export function readPresentedToken({
  headers,
  body,
}: Pick<WireCall, 'headers' | 'body'>): string | undefined {
  const header = headers?.[waitpointTokenHeader]
  if (header !== undefined) return String(header)
  const inBody = (body as { readonly token?: unknown } | null | undefined)?.token
  return typeof inBody === 'string' ? inBody : undefined
}

const signalExecutionBody = z.strictObject({
  waitpoint: z.string().describe('The name of a waitpoint of the execution, or its id.'),
  ...signalFields,
})

/** As `deliverSignal`, for who knows the execution and what its waitpoint is called. */
export const signalExecution: WireOperation<DeliverSignal, DeliverSignalOutcome> = {
  ...deliverSignal,
  name: 'executions.signal',
  path: '/executions/{id}/signal',
  summary: 'Deliver a signal to a waitpoint of an execution, by its name.',
  schemas: { path: executionPath, body: signalExecutionBody, answer: deliveredSchema },
  writeRequest: () => {
    throw new Error('who knows the id of the waitpoint calls suspensions.deliverSignal')
  },
  readRequest: (call) => {
    const executionOf = readExecutionPath(call)
    const { waitpoint, ...body } = readWire(signalExecutionBody, call.body)
    const id = isWaitpointId(waitpoint) ? waitpoint : deriveWaitpointId(executionOf, waitpoint)
    return { params: readSignalBody(call, id, body) }
  },
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
