import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import {
  type CancelFlow,
  type CancelFlowOutcome,
  type CreateDraft,
  type CreateDraftOutcome,
  type ExtendFlow,
  type ExtendFlowOutcome,
  type Flow,
  type FlowNodeView,
  type FlowResultOutcome,
  type FlowSummary,
  flowCancelPolicies,
  flowStates,
  flowSummaryStates,
  type GetFlow,
  type GetGraph,
  type ListFlows,
  type ReplayFlow,
  type ReplayFlowOutcome,
  type SealFlow,
  type SealFlowOutcome,
  type SubmitFlow,
  type SubmitFlowOutcome,
} from '../contract/flows.js'
import { limits } from '../limits.js'
import { type PublicState, publicStates } from '../state/public-state.js'
import { readTagPairs, timeFields, writeTagPairs } from './execution-filter.js'
import { bodyOr, pageQuery, reasonField } from './executions.js'
import { groupSchema } from './explain-facts.js'
import { graphFields, readGraph, writeGraph } from './flow-graph.js'
import type { WireCall, WireOperation } from './operation.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import { executionSchema, pageOf, publicStateSchema } from './records.js'
import {
  asList,
  edgeId,
  executionId,
  flowId,
  handle,
  listText,
  namespaceName,
  timeMs,
  whole,
} from './scalars.js'
import { parentSchema, tagsSchema } from './specs.js'

const flowPath = z.strictObject({ flowId })
const flowStateSchema = z.enum(flowStates)
const tag = 'flows'

function readFlowPath(call: WireCall): GetFlow {
  return { namespace: call.namespace, flowId: readWire(flowPath, call.path).flowId }
}

const summarySchema: z.ZodType<FlowSummary> = z.object({
  totalMembers: z.number(),
  counts: z.object(
    Object.fromEntries(publicStates.map((state) => [state, z.number()])) as Record<PublicState, z.ZodNumber>,
  ),
  publicFlowState: z.enum(flowSummaryStates),
  firstStartAtMs: timeMs.nullable(),
  lastChangeAtMs: timeMs.nullable(),
  progress: z.number(),
  criticalPathMs: z.number(),
  lastSummaryUpdateAtMs: timeMs.nullable(),
})

const flowSchema: z.ZodType<Flow> = z.object({
  id: flowId,
  namespace: namespaceName,
  name: z.string().nullable(),
  state: flowStateSchema,
  graphRevision: z.number(),
  generation: z.number(),
  tags: tagsSchema,
  createdAtMs: timeMs,
  deadlineAtMs: timeMs.nullable(),
  terminalAtMs: timeMs.nullable(),
  cancel: z
    .object({ policy: z.enum(flowCancelPolicies), finalisers: z.boolean(), requestedAtMs: timeMs })
    .nullable(),
  summary: summarySchema,
})

const nodeViewSchema: z.ZodType<FlowNodeView> = z.object({
  execution: executionSchema,
  incoming: z.array(
    z.object({
      id: edgeId,
      from: executionId,
      to: executionId,
      as: z.string().nullable(),
      state: z.enum(['pending', 'satisfied', 'impossible']),
    }),
  ),
  group: groupSchema.nullable(),
})

const optionFields = {
  flowId: flowId.optional().describe('Minted by the server when absent.'),
  name: z.string().optional(),
  idempotencyKey: z
    .string()
    .optional()
    .describe('A repeat under the same key answers the flow of the first.'),
  idempotencyTtlMs: whole(1, limits.durationMsMax, 'How long the key is kept, default 24 h.').optional(),
  deadlineMs: whole(1, limits.durationMsMax, 'From the release of the roots.').optional(),
  tags: tagsSchema.optional(),
  parent: parentSchema.optional(),
} as const

/** The id that a caller left out: with an idempotency key it follows from that, so that a repeat means the same graph. */
function mintFlowIdOf(wire: { readonly idempotencyKey?: string | undefined }, call: WireCall) {
  if (wire.idempotencyKey === undefined) return call.mint.flowId()
  return call.mint.keyedFlowId(call.namespace, wire.idempotencyKey)
}

const submitBody = z.strictObject({ ...optionFields, ...graphFields })
const submitSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('accepted'), flowId, graphRevision: z.number() }),
  z.object({ outcome: z.literal('duplicate'), flowId }),
])
const submitRefusals = ['flow_conflict', 'idempotency_conflict', 'lane_not_accepting', 'too_many_routes']

export const submitFlow: WireOperation<SubmitFlow, SubmitFlowOutcome> = {
  name: 'flows.submit',
  method: 'POST',
  path: '/flows',
  summary: 'Submit a whole flow, all or nothing. Edges name nodes by id or by name.',
  tag,
  schemas: { body: submitBody, answer: submitSchema },
  status: (answer) => (answer.outcome === 'accepted' ? 201 : 200),
  refusals: submitRefusals,
  writeRequest: ({ namespace: _, nodes, edges, ...options }) => ({
    body: { ...options, ...writeGraph({ nodes, edges }) },
  }),
  readRequest: (call) => {
    const { nodes, edges, flowId: stated, ...options } = readWire(submitBody, call.body)
    const id = stated ?? mintFlowIdOf(options, call)
    return {
      params: {
        ...options,
        namespace: call.namespace,
        flowId: id,
        ...readGraph({ nodes, edges }, id, call.mint),
      },
    }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(submitSchema, json),
}

const draftBody = z.strictObject({
  ...optionFields,
  draftTtlMs: whole(1, limits.durationMsMax, 'Unsealed after this it is cancelled; default 24 h.').optional(),
})
const draftSchema = z.object({ outcome: z.enum(['created', 'duplicate']), flowId })

export const createDraft: WireOperation<CreateDraft, CreateDraftOutcome> = {
  name: 'flows.createDraft',
  method: 'POST',
  path: '/flows:draft',
  summary: 'Begin a flow that extend fills and seal releases.',
  tag,
  schemas: { body: draftBody, answer: draftSchema },
  status: (answer) => (answer.outcome === 'created' ? 201 : 200),
  refusals: ['flow_conflict', 'idempotency_conflict'],
  writeRequest: ({ namespace: _, ...options }) => ({ body: options }),
  readRequest: (call) => {
    const { flowId: stated, ...options } = readWire(draftBody, bodyOr(call))
    return {
      params: { ...options, namespace: call.namespace, flowId: stated ?? mintFlowIdOf(options, call) },
    }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(draftSchema, json),
}

const extendBody = z.strictObject({
  ...graphFields,
  expectedRevision: z.number().optional().describe('Refuse when the graph has moved on.'),
  handle: handle.optional().describe('The lease under which a worker grows its own flow.'),
})
const extendSchema = z.object({ outcome: z.enum(['extended', 'duplicate']), graphRevision: z.number() })

export const extendFlow: WireOperation<ExtendFlow, ExtendFlowOutcome> = {
  name: 'flows.extend',
  method: 'POST',
  path: '/flows/{flowId}/extend',
  summary: 'Add nodes and edges.',
  tag,
  schemas: { path: flowPath, body: extendBody, answer: extendSchema },
  refusals: [
    'flow_not_open',
    'edge_group_decided',
    'graph_revision_mismatch',
    'execution_conflict',
    'lane_not_accepting',
    'too_many_routes',
    'stale_lease',
    'lease_expired',
    'lease_revoked',
    'attempt_timed_out',
    'execution_not_active',
  ],
  writeRequest: ({ flowId: id, nodes, edges, expectedRevision, handle: held }) => ({
    path: { flowId: id },
    body: { ...writeGraph({ nodes, edges }), expectedRevision, handle: held },
  }),
  readRequest: (call) => {
    const target = readFlowPath(call)
    const { nodes, edges, ...options } = readWire(extendBody, call.body)
    return { params: { ...options, ...target, ...readGraph({ nodes, edges }, target.flowId, call.mint) } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(extendSchema, json),
}

const noBody = z.strictObject({})
const sealSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('sealed'), graphRevision: z.number() }),
  z.object({ outcome: z.literal('already_sealed') }),
])

export const sealFlow: WireOperation<SealFlow, SealFlowOutcome> = {
  name: 'flows.seal',
  method: 'POST',
  path: '/flows/{flowId}/seal',
  summary: 'Open a draft.',
  tag,
  schemas: { path: flowPath, body: noBody, answer: sealSchema },
  refusals: ['flow_not_open'],
  writeRequest: ({ flowId: id }) => ({ path: { flowId: id }, body: {} }),
  readRequest: (call) => {
    readWire(noBody, bodyOr(call))
    return { params: readFlowPath(call) }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(sealSchema, json),
}

export const getFlow: WireOperation<GetFlow, { readonly outcome: 'found'; readonly flow: Flow }> = {
  name: 'flows.get',
  method: 'GET',
  path: '/flows/{flowId}',
  summary: 'Read a flow with its newest summary.',
  tag,
  schemas: { path: flowPath, answer: flowSchema },
  refusals: [],
  writeRequest: ({ flowId: id }) => ({ path: { flowId: id } }),
  readRequest: (call) => ({ params: readFlowPath(call) }),
  writeAnswer: ({ flow }) => flow,
  readAnswer: (json) => ({ outcome: 'found', flow: readReply(flowSchema, json) }),
}

const graphQuery = z.strictObject(pageQuery)

export const getGraph: WireOperation<GetGraph, Page<FlowNodeView>> = {
  name: 'flows.getGraph',
  method: 'GET',
  path: '/flows/{flowId}/graph',
  summary: 'The nodes of a flow, with their incoming edges and groups.',
  tag,
  schemas: { path: flowPath, query: graphQuery, answer: pageOf(nodeViewSchema) },
  refusals: [],
  writeRequest: ({ flowId: id, cursor, limit }) => ({ path: { flowId: id }, query: { cursor, limit } }),
  readRequest: (call) => ({ params: { ...readWire(graphQuery, call.query), ...readFlowPath(call) } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(nodeViewSchema), json),
}

export const flowResultSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('pending'), flowState: flowStateSchema }),
  z.object({
    outcome: z.enum(['completed', 'failed', 'cancelled']),
    results: z.record(z.string(), jsonPayload).describe('By the names of the sinks that succeeded.'),
    resultsBase64: z.record(z.string(), z.string()).optional().describe('Those that are no plain JSON.'),
    failures: z.array(
      z.object({ id: executionId, name: z.string().nullable(), publicState: publicStateSchema }),
    ),
  }),
])

export const getFlowResult: WireOperation<GetFlow, FlowResultOutcome> = {
  name: 'flows.getResult',
  method: 'GET',
  path: '/flows/{flowId}/result',
  summary: 'The named sinks that succeeded, each with its result.',
  tag,
  schemas: { path: flowPath, answer: flowResultSchema },
  refusals: [],
  writeRequest: ({ flowId: id }) => ({ path: { flowId: id } }),
  readRequest: (call) => ({ params: readFlowPath(call) }),
  writeAnswer: writeFlowResult,
  readAnswer: (json) => readFlowResult(readReply(flowResultSchema, json)),
}

export function readFlowResult(answer: z.infer<typeof flowResultSchema>): FlowResultOutcome {
  if (answer.outcome === 'pending') return answer
  const { resultsBase64 = {}, ...rest } = answer
  const plain = Object.entries(rest.results).map(([name, value]) => [
    name,
    readPayload(value, undefined, name),
  ])
  const encoded = Object.entries(resultsBase64).map(([name, text]) => [
    name,
    readPayload(undefined, text, name),
  ])
  return { ...rest, results: Object.fromEntries([...plain, ...encoded]) }
}

export function writeFlowResult(answer: FlowResultOutcome): unknown {
  if (answer.outcome === 'pending') return answer
  const written = Object.entries(answer.results).map(([name, bytes]) => [name, writePayload(bytes)] as const)
  const encoded = written.filter(([, { base64 }]) => base64 !== undefined)
  return {
    ...answer,
    results: Object.fromEntries(
      written.filter(([, { base64 }]) => base64 === undefined).map(([name, { json }]) => [name, json]),
    ),
    ...(encoded.length === 0
      ? {}
      : { resultsBase64: Object.fromEntries(encoded.map(([name, { base64 }]) => [name, base64])) }),
  }
}

const listQuery = z.strictObject({
  state: listText(flowStateSchema, 'States; any of them.'),
  tag: listText(z.string(), '`key:value`; all of them.'),
  name: z.string().optional(),
  ...timeFields,
  ...pageQuery,
})

export const listFlows: WireOperation<ListFlows, Page<Flow>> = {
  name: 'flows.list',
  method: 'GET',
  path: '/flows',
  summary: 'List flows, newest first.',
  tag,
  schemas: { query: listQuery, answer: pageOf(flowSchema) },
  refusals: [],
  writeRequest: ({ namespace: _, states, tags, ...query }) => ({
    query: { ...query, state: states, tag: writeTagPairs(tags) },
  }),
  readRequest: (call) => {
    const { state, tag: pairs, ...rest } = readWire(listQuery, call.query)
    return {
      params: {
        ...rest,
        namespace: call.namespace,
        states: asList(state),
        tags: readTagPairs(asList(pairs)),
      },
    }
  },
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(flowSchema), json),
}

const cancelBody = z.strictObject({
  policy: z.enum(flowCancelPolicies).optional().describe('Default: `cancel_all`.'),
  finalisers: z.boolean().optional().describe('False also cancels `always` nodes that have not ended.'),
  reason: reasonField,
  waitMs: whole(0, limits.resultWaitMsMax, 'Answer when the members are terminal.').optional(),
})
const cancelSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('cancelled') }),
  z.object({
    outcome: z.literal('cancelling'),
    remaining: z.number(),
    failures: z.array(z.object({ id: executionId, code: z.string() })),
  }),
])

export const cancelFlow: WireOperation<CancelFlow, CancelFlowOutcome> = {
  name: 'flows.cancel',
  method: 'POST',
  path: '/flows/{flowId}/cancel',
  summary: 'Cancel a flow by policy.',
  tag,
  schemas: { path: flowPath, body: cancelBody, answer: cancelSchema },
  refusals: ['flow_terminal', 'flow_not_open'],
  writeRequest: ({ namespace: _, flowId: id, ...body }) => ({ path: { flowId: id }, body }),
  readRequest: (call) => {
    const { policy = 'cancel_all', ...rest } = readWire(cancelBody, bodyOr(call))
    return { params: { ...rest, policy, ...readFlowPath(call) } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(cancelSchema, json),
}

const replayBody = z.strictObject({
  from: z
    .union([z.literal('failed'), z.array(executionId)])
    .optional()
    .describe('Default: `failed`.'),
  inputs: z
    .array(z.strictObject({ id: executionId, input: jsonPayload, inputBase64: base64Payload }))
    .optional()
    .describe('New inputs (a fork) for some of the chosen members.'),
  reason: reasonField,
})
const replaySchema = z.object({ outcome: z.literal('replayed'), ids: z.array(executionId) })

export const replayFlow: WireOperation<ReplayFlow, ReplayFlowOutcome> = {
  name: 'flows.replay',
  method: 'POST',
  path: '/flows/{flowId}/replay',
  summary: 'Reopen members and their descendants as their next generation.',
  tag,
  schemas: { path: flowPath, body: replayBody, answer: replaySchema },
  refusals: ['replay_conflict', 'nothing_to_replay', 'max_replays_exceeded', 'flow_not_open'],
  writeRequest: ({ flowId: id, from, inputs, reason }) => ({
    path: { flowId: id },
    body: {
      from,
      reason,
      inputs: inputs?.map((item) => {
        const { json, base64 } = writePayload(item.input)
        return { id: item.id, input: json ?? undefined, inputBase64: base64 }
      }),
    },
  }),
  readRequest: (call) => {
    const { from = 'failed', inputs, reason } = readWire(replayBody, bodyOr(call))
    const forks = inputs?.map(({ id, input, inputBase64 }) => ({
      id,
      input: readPayload(input, inputBase64, 'input'),
    }))
    return { params: { from, reason, inputs: forks, ...readFlowPath(call) } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(replaySchema, json),
}
