import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import {
  type CancelExecution,
  type CancelExecutionOutcome,
  type ChangePriority,
  type CountExecutions,
  type CountedExecutions,
  countGroupings,
  type Execution,
  type ExecutionTerminal,
  type ExplainFacts,
  type GetExecution,
  type HoldExecution,
  type HoldOutcome,
  type ListExecutions,
  type ReleaseExecution,
  type ReleaseOutcome,
  type ReplayExecution,
  type ReplayExecutionOutcome,
  type SetTags,
  type Tags,
} from '../contract/executions.js'
import { type ExecutionId, parseExecutionIdUrl } from '../ids/index.js'
import { limits } from '../limits.js'
import { filterFields, readFilter, writeFilter } from './execution-filter.js'
import { explainFactsSchema } from './explain-facts.js'
import type { WireCall, WireOperation } from './operation.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import { executionSchema, pageOf } from './records.js'
import { cursor, executionId, whole, wholeText } from './scalars.js'
import { tagsSchema } from './specs.js'

export const executionPath = z.strictObject({ id: executionId })

/** The execution that the path names, in either form of its id. */
export function readExecutionPath(call: WireCall): ExecutionId {
  return parseExecutionIdUrl(readWire(executionPath, call.path).id)
}

export const reasonField = z.string().optional().describe('Why, for the record.')
export const pageQuery = {
  cursor: cursor.optional(),
  limit: wholeText(1, limits.pageSizeMax, 'Entries of the page, default 100.').optional(),
} as const

/** A body of which every field is optional may be left out. */
export function bodyOr(call: WireCall): unknown {
  return call.body ?? {}
}

const terminal = { refusals: ['execution_terminal'] } as const
const tag = 'executions'

/** What the operations on one execution have in common. */
function onExecution<Params extends GetExecution, Answer>(operation: {
  readonly name: string
  readonly action: string
  readonly summary: string
  readonly body: z.ZodObject
  readonly answer: z.ZodType
  readonly refusals: readonly string[]
  readonly writeBody: (params: Params) => unknown
  readonly readBody: (body: unknown, target: GetExecution) => Params
  readonly readAnswer?: (json: unknown) => Answer
}): WireOperation<Params, Answer> {
  const { name, action, summary, body, answer, refusals, writeBody, readBody } = operation
  return {
    name,
    method: 'POST',
    path: `/executions/{id}/${action}`,
    summary,
    tag,
    schemas: { path: executionPath, body, answer },
    refusals,
    writeRequest: (params) => ({ path: { id: params.id }, body: writeBody(params) }),
    readRequest: (call) => ({
      params: readBody(bodyOr(call), { namespace: call.namespace, id: readExecutionPath(call) }),
    }),
    writeAnswer: (value) => value,
    readAnswer: (json) => readReply(answer, json) as Answer,
  }
}

export const getExecution: WireOperation<
  GetExecution,
  { readonly outcome: 'found'; readonly execution: Execution }
> = {
  name: 'executions.get',
  method: 'GET',
  path: '/executions/{id}',
  summary: 'Read an execution.',
  tag,
  schemas: { path: executionPath, answer: executionSchema },
  refusals: [],
  writeRequest: (params) => ({ path: { id: params.id } }),
  readRequest: (call) => ({ params: { namespace: call.namespace, id: readExecutionPath(call) } }),
  writeAnswer: ({ execution }) => execution,
  readAnswer: (json) => ({ outcome: 'found', execution: readReply(executionSchema, json) }),
}

const listQuery = z.strictObject({ ...filterFields, ...pageQuery })

export const listExecutions: WireOperation<ListExecutions, Page<Execution>> = {
  name: 'executions.list',
  method: 'GET',
  path: '/executions',
  summary: 'List executions, newest first.',
  tag,
  schemas: { query: listQuery, answer: pageOf(executionSchema) },
  refusals: [],
  writeRequest: ({ filter, cursor: at, limit }) => ({ query: { ...writeFilter(filter), cursor: at, limit } }),
  readRequest: (call) => {
    const { cursor: at, limit, ...fields } = readWire(listQuery, call.query)
    return { params: { namespace: call.namespace, filter: readFilter(fields), cursor: at, limit } }
  },
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(executionSchema), json),
}

const countQuery = z.strictObject({
  ...filterFields,
  by: z.enum(countGroupings).optional().describe('Count them apart, too.'),
})
const countSchema: z.ZodType<CountedExecutions> = z.object({
  outcome: z.literal('counted'),
  count: z.number(),
  groups: z
    .array(z.object({ name: z.string(), count: z.number() }))
    .optional()
    .describe('The largest 1000, largest first.'),
})

export const countExecutions: WireOperation<CountExecutions, CountedExecutions> = {
  name: 'executions.count',
  method: 'GET',
  path: '/executions:count',
  summary: 'Count executions exactly, in all and apart by lane, kind or state.',
  tag,
  schemas: { query: countQuery, answer: countSchema },
  refusals: [],
  writeRequest: ({ filter, by }) => ({ query: { ...writeFilter(filter), by } }),
  readRequest: (call) => {
    const { by, ...fields } = readWire(countQuery, call.query)
    return { params: { namespace: call.namespace, filter: readFilter(fields), by } }
  },
  writeAnswer: (answer) => ({ ...answer }),
  readAnswer: (json) => readReply(countSchema, json),
}

const cancelBody = z.strictObject({
  reason: reasonField,
  graceMs: whole(0, limits.cancelGraceMsMax, 'How long a running attempt may still write.').optional(),
})

export const cancelExecution = onExecution<CancelExecution, CancelExecutionOutcome>({
  name: 'executions.cancel',
  action: 'cancel',
  summary: 'Cancel an execution.',
  body: cancelBody,
  answer: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('cancelled') }),
    z.object({ outcome: z.literal('cancelling'), graceEndsAtMs: z.number() }),
  ]),
  ...terminal,
  writeBody: ({ reason, graceMs }) => ({ reason, graceMs }),
  readBody: (body, target) => ({ ...target, ...readWire(cancelBody, body) }),
})

const replayBody = z.strictObject({
  reason: reasonField,
  input: jsonPayload.describe('A new input: a fork. An explicit null is one too.'),
  inputBase64: base64Payload,
})

export const replayExecution = onExecution<ReplayExecution, ReplayExecutionOutcome>({
  name: 'executions.replay',
  action: 'replay',
  summary: 'Run an ended execution again as its next generation.',
  body: replayBody,
  answer: z.object({ outcome: z.literal('replayed'), generation: z.number() }),
  refusals: ['replay_conflict', 'max_replays_exceeded', 'flow_not_open', 'execution_not_terminal'],
  writeBody: ({ reason, input }) => {
    if (input === undefined) return { reason }
    const { json, base64 } = writePayload(input)
    return base64 === undefined ? { reason, input: json } : { reason, inputBase64: base64 }
  },
  readBody: (body, target) => {
    const { reason, input, inputBase64 } = readWire(replayBody, body)
    if (input === undefined && inputBase64 === undefined) return { ...target, reason }
    return { ...target, reason, input: readPayload(input, inputBase64, 'input') }
  },
})

const reasonBody = z.strictObject({ reason: reasonField })

export const holdExecution = onExecution<HoldExecution, HoldOutcome>({
  name: 'executions.hold',
  action: 'hold',
  summary: 'Put an operator’s block on an execution that doesn’t run.',
  body: reasonBody,
  answer: z.object({ outcome: z.enum(['held', 'already_held']) }),
  refusals: ['execution_active', 'execution_terminal'],
  writeBody: ({ reason }) => ({ reason }),
  readBody: (body, target) => ({ ...target, ...readWire(reasonBody, body) }),
})

const emptyBody = z.strictObject({})

export const releaseExecution = onExecution<ReleaseExecution, ReleaseOutcome>({
  name: 'executions.release',
  action: 'release',
  summary: 'Lift an operator’s block.',
  body: emptyBody,
  answer: z.object({ outcome: z.literal('released') }),
  refusals: ['not_held', 'execution_terminal'],
  writeBody: () => ({}),
  readBody: (body, target) => {
    readWire(emptyBody, body)
    return target
  },
})

const priorityBody = z.strictObject({ priority: whole(0, limits.priorityMax, 'Higher first.') })

export const changePriority = onExecution<
  ChangePriority,
  { readonly outcome: 'changed' } | ExecutionTerminal
>({
  name: 'executions.changePriority',
  action: 'priority',
  summary: 'Change the priority.',
  body: priorityBody,
  answer: z.object({ outcome: z.literal('changed') }),
  ...terminal,
  writeBody: ({ priority }) => ({ priority }),
  readBody: (body, target) => ({ ...target, ...readWire(priorityBody, body) }),
})

const tagsBody = z.strictObject({ set: tagsSchema.optional(), remove: z.array(z.string()).optional() })

export const setTags = onExecution<SetTags, { readonly outcome: 'changed'; readonly tags: Tags }>({
  name: 'executions.setTags',
  action: 'tags',
  summary: 'Set and remove tags.',
  body: tagsBody,
  answer: z.object({ outcome: z.literal('changed'), tags: tagsSchema }),
  refusals: [],
  writeBody: ({ set, remove }) => ({ set, remove }),
  readBody: (body, target) => ({ ...target, ...readWire(tagsBody, body) }),
})

export const explainFacts: WireOperation<GetExecution, ExplainFacts> = {
  name: 'executions.explainFacts',
  method: 'GET',
  path: '/executions/{id}/facts',
  summary: 'What bears on why an execution runs or not, read in one step.',
  tag,
  schemas: { path: executionPath, answer: explainFactsSchema },
  refusals: [],
  writeRequest: (params) => ({ path: { id: params.id } }),
  readRequest: (call) => ({ params: { namespace: call.namespace, id: readExecutionPath(call) } }),
  writeAnswer: (facts) => facts,
  readAnswer: (json) => readReply(explainFactsSchema, json),
}
