import { z } from 'zod'
import type { EventsPage, ReadEvents } from '../contract/events.js'
import type { ResultOutcome } from '../contract/executions.js'
import type { FlowResultOutcome } from '../contract/flows.js'
import { type ExecutionId, type FlowId, parseFlowId } from '../ids/index.js'
import { limits } from '../limits.js'
import type { Namespace } from '../names.js'
import { readEvents } from './events.js'
import { executionPath, readExecutionPath } from './executions.js'
import { flowResultSchema, readFlowResult, writeFlowResult } from './flows.js'
import type { WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { publicStateSchema } from './records.js'
import { executionId, flowId, wholeText } from './scalars.js'
import { readResultOutcome, resultOutcomeSchema, writeResultOutcome } from './submissions.js'

/**
 * What the server offers beside the contract's operations: waits for ends, and shorter ways to what another operation
 * tells too.
 */

const waitQuery = z.strictObject({
  waitMs: wholeText(
    0,
    limits.resultWaitMsMax,
    'How long to wait for the end; default: not at all.',
  ).optional(),
})

export interface WaitForExecution {
  readonly namespace: Namespace
  readonly id: ExecutionId
  readonly waitMs?: number | undefined
}

export const executionResult: WireOperation<WaitForExecution, ResultOutcome> = {
  name: 'executions.result',
  method: 'GET',
  path: '/executions/{id}/result',
  summary: 'The recorded end of an execution; with `waitMs` it waits for it.',
  tag: 'executions',
  schemas: { path: executionPath, query: waitQuery, answer: resultOutcomeSchema },
  refusals: [],
  writeRequest: ({ id, waitMs }) => ({ path: { id }, query: { waitMs } }),
  readRequest: (call) => ({
    params: { namespace: call.namespace, id: readExecutionPath(call), ...readWire(waitQuery, call.query) },
  }),
  writeAnswer: writeResultOutcome,
  readAnswer: (json) => readResultOutcome(readReply(resultOutcomeSchema, json)),
}

export interface WaitForFlow {
  readonly namespace: Namespace
  readonly flowId: FlowId
  readonly waitMs?: number | undefined
}

const flowPath = z.strictObject({ flowId })

/** The same route as `flows.getResult`, which is this without a wait. */
export const flowResult: WireOperation<WaitForFlow, FlowResultOutcome> = {
  name: 'flows.result',
  method: 'GET',
  path: '/flows/{flowId}/result',
  summary: 'The named sinks that succeeded, each with its result; with `waitMs` it waits for the end.',
  tag: 'flows',
  schemas: { path: flowPath, query: waitQuery, answer: flowResultSchema },
  refusals: [],
  writeRequest: ({ flowId: id, waitMs }) => ({ path: { flowId: id }, query: { waitMs } }),
  readRequest: (call) => ({
    params: {
      namespace: call.namespace,
      flowId: parseFlowId(readWire(flowPath, call.path).flowId),
      ...readWire(waitQuery, call.query),
    },
  }),
  writeAnswer: writeFlowResult,
  readAnswer: (json) => readFlowResult(readReply(flowResultSchema, json)),
}

/** The events of one execution, without the parameter that its path states. */
export const executionEvents: WireOperation<ReadEvents, EventsPage> = {
  ...readEvents,
  name: 'executions.events',
  path: '/executions/{id}/events',
  summary: 'The events of an execution.',
  tag: 'executions',
  schemas: { ...readEvents.schemas, path: executionPath },
  writeRequest: (params) => ({
    ...readEvents.writeRequest({ ...params, filter: { ...params.filter, executionId: undefined } }),
    path: { id: params.filter?.executionId ?? '' },
  }),
  readRequest: (call) => {
    const { params } = readEvents.readRequest(call)
    return { params: { ...params, filter: { ...params.filter, executionId: readExecutionPath(call) } } }
  },
}

export const flowEvents: WireOperation<ReadEvents, EventsPage> = {
  ...readEvents,
  name: 'flows.events',
  path: '/flows/{flowId}/events',
  summary: 'The events of a flow and its members.',
  tag: 'flows',
  schemas: { ...readEvents.schemas, path: flowPath },
  writeRequest: (params) => ({
    ...readEvents.writeRequest({ ...params, filter: { ...params.filter, flowId: undefined } }),
    path: { flowId: params.filter?.flowId ?? '' },
  }),
  readRequest: (call) => {
    const { params } = readEvents.readRequest(call)
    return {
      params: { ...params, filter: { ...params.filter, flowId: readWire(flowPath, call.path).flowId } },
    }
  },
}

const reasonSchema = z.looseObject({
  reason: z.string().describe('What holds it back, or that it runs or ended: a fixed set of words.'),
  evidence: z.record(z.string(), z.unknown()).describe('What proves it.'),
  message: z.string().describe('The same in words.'),
  sinceMs: z.number().nullable(),
  releasedBy: z.string().describe('What would end it.'),
})
const explanationSchema = z.object({
  executionId,
  publicState: publicStateSchema,
  dominant: reasonSchema,
  reasons: z.array(reasonSchema),
})
/** Why an execution does not run, as the engine explains it. */
export type WireExplanation = z.infer<typeof explanationSchema>

export const explain: WireOperation<Pick<WaitForExecution, 'namespace' | 'id'>, WireExplanation> = {
  name: 'executions.explain',
  method: 'GET',
  path: '/executions/{id}/explain',
  summary: 'Why an execution does not run, or that it runs or ended.',
  tag: 'executions',
  schemas: { path: executionPath, answer: explanationSchema },
  refusals: [],
  writeRequest: ({ id }) => ({ path: { id } }),
  readRequest: (call) => ({ params: { namespace: call.namespace, id: readExecutionPath(call) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(explanationSchema, json),
}
