import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import {
  type CreateWaitpoint,
  type CreateWaitpointOutcome,
  type GetWaitpoint,
  type ListWaitpoints,
  type Waitpoint,
  type WaitpointState,
  waitpointStates,
} from '../contract/suspensions.js'
import { deriveWaitpointId, parseWaitpointId } from '../ids/index.js'
import type {
  MintedWaitpointToken,
  MintWaitpointToken,
  OpenWaitpointOutcome,
} from '../signing/waitpoint-tokens.js'
import { executionPath, pageQuery, readExecutionPath } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { executionId, handle, timeMs, waitpointId } from './scalars.js'

export const newWaitpointFields = {
  name: z.string().describe('Unique in the execution.'),
  expiresAtMs: timeMs.optional(),
} as const

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
  waitpointId: waitpointId
    .optional()
    .describe('Follows from the execution and the name when absent: a repeat names the same.'),
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
    const derived = body.waitpointId ?? deriveWaitpointId(id, body.name)
    return { params: { ...body, waitpointId: derived, namespace: call.namespace, executionId: id } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(createdSchema, json),
}

export const waitpointPath = z.strictObject({ id: waitpointId })

export function readWaitpointPath(call: WireCall) {
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

const openedSchema = createdSchema.extend({
  token: z.string().nullable().describe('Lets its bearer signal; null where no key signs.'),
})

/** The route of `createWaitpoint`, answered with the waitpoint’s token. */
export const openWaitpoint: WireOperation<CreateWaitpoint, OpenWaitpointOutcome> = {
  ...createWaitpoint,
  schemas: { ...createWaitpoint.schemas, answer: openedSchema },
  status: ({ outcome }) => (outcome === 'created' ? 201 : 200),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(openedSchema, json),
}

const mintBody = z.strictObject({
  source: z
    .string()
    .optional()
    .describe('Who signals that come by this token are from. Absent: nobody in particular.'),
})
const mintedSchema = z.object({ outcome: z.literal('minted'), token: z.string() })

export const mintWaitpointToken: WireOperation<MintWaitpointToken, MintedWaitpointToken> = {
  name: 'suspensions.mintToken',
  method: 'POST',
  path: '/waitpoints/{id}/tokens',
  summary: 'A token of a waitpoint, to hand out to the one whose signals it is to bring.',
  tag: 'waitpoints',
  schemas: { path: waitpointPath, body: mintBody, answer: mintedSchema },
  refusals: [],
  writeRequest: ({ waitpointId: id, source }) => ({ path: { id }, body: { source } }),
  readRequest: (call) => ({
    params: {
      namespace: call.namespace,
      waitpointId: readWaitpointPath(call),
      ...readWire(mintBody, call.body),
    },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(mintedSchema, json),
}
