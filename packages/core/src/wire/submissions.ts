import { z } from 'zod'
import type {
  ExecutionSubmission,
  GetResults,
  ResultOutcome,
  SubmitExecutionOutcome,
  SubmitExecutions,
  SubmitExecutionsResult,
} from '../contract/executions.js'
import { limits } from '../limits.js'
import { batchReader, itemErrorSchema, readItemError, writeItemError } from './items.js'
import type { WireCall, WireOperation } from './operation.js'
import { readPayload } from './payload.js'
import { readReply, readWire } from './read.js'
import {
  cancelCauseSchema,
  failureSchema,
  laneStateSchema,
  publicStateSchema,
  resultFields,
  writeResult,
} from './records.js'
import { executionId, laneName, whole } from './scalars.js'
import { parentSchema, readSpec, specFields, writeSpec } from './specs.js'

const submissionSchema = z.strictObject({
  ...specFields,
  idempotencyKey: z
    .string()
    .optional()
    .describe('A repeat under the same key answers the execution of the first.'),
  idempotencyTtlMs: whole(1, limits.durationMsMax, 'How long the key is kept, default 24 h.').optional(),
  parent: parentSchema.optional(),
})
type WireSubmission = z.infer<typeof submissionSchema>

function readSubmission(wire: WireSubmission, call: WireCall): ExecutionSubmission {
  const { idempotencyKey, idempotencyTtlMs, parent } = wire
  const spec = readSpec(wire)
  const id = wire.id ?? call.mint.soloId(call.namespace, spec.lane)
  return Object.assign(spec, { id, idempotencyKey, idempotencyTtlMs, parent })
}

function writeSubmission(item: ExecutionSubmission): WireSubmission {
  return writeSpec(item) as WireSubmission
}

const submitOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('accepted'), id: executionId }),
  z.object({ outcome: z.literal('duplicate'), id: executionId }),
  z.object({ outcome: z.literal('execution_conflict') }),
  z.object({ outcome: z.literal('idempotency_conflict') }),
  z.object({ outcome: z.literal('lane_not_accepting'), lane: laneName, laneState: laneStateSchema }),
  z.object({ outcome: z.literal('too_many_routes'), lane: laneName }),
  itemErrorSchema,
])
const submitAnswerSchema = z.object({ items: z.array(submitOutcomeSchema) })

const readSubmissions = batchReader(z.strictObject({}), submissionSchema)

/** `next` stays behind: over HTTP claims wait in the server, which sends them along itself. */
export const submitExecutions: WireOperation<SubmitExecutions, SubmitExecutionsResult> = {
  name: 'executions.submit',
  method: 'POST',
  path: '/executions:batch',
  summary: 'Submit solo executions; each item has its own outcome.',
  tag: 'executions',
  schemas: { body: z.strictObject({ items: z.array(submissionSchema) }), answer: submitAnswerSchema },
  refusals: [],
  writeRequest: ({ items }) => ({ body: { items: items.map(writeSubmission) } }),
  readRequest: (call) => {
    const { items, refused } = readSubmissions(call.body, (wire) => readSubmission(wire, call))
    return { params: { namespace: call.namespace, items }, refused }
  },
  writeAnswer: ({ items }) => ({
    items: items.map((item) => (item.outcome === 'error' ? writeItemError(item.error) : item)),
  }),
  readAnswer: (json) => ({
    items: readReply(submitAnswerSchema, json).items.map((item) =>
      item.outcome === 'error' ? readItemError(item) : item,
    ),
    claimed: [],
  }),
}

const acceptedSchema = z.object({ outcome: z.enum(['accepted', 'duplicate']), id: executionId })

/** One execution, for people and programs without an SDK: what it answers is that item's outcome. */
export const submitExecution: WireOperation<SubmitExecutions, SubmitExecutionOutcome> = {
  name: 'executions.submitOne',
  method: 'POST',
  path: '/executions',
  summary: 'Submit one solo execution.',
  tag: 'executions',
  schemas: { body: submissionSchema, answer: acceptedSchema },
  status: (answer) => (answer.outcome === 'accepted' ? 201 : 200),
  refusals: ['execution_conflict', 'idempotency_conflict', 'lane_not_accepting', 'too_many_routes'],
  writeRequest: ({ items }) => ({ body: items[0] && writeSubmission(items[0]) }),
  readRequest: (call) => ({
    params: {
      namespace: call.namespace,
      items: [readSubmission(readWire(submissionSchema, call.body), call)],
    },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(acceptedSchema, json),
}

export const resultOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('pending'), id: executionId, publicState: publicStateSchema }),
  z.object({ outcome: z.literal('success'), id: executionId, ...resultFields }),
  z.object({
    outcome: z.enum(['failed', 'cancelled', 'expired', 'skipped']),
    id: executionId,
    failure: failureSchema.nullable(),
    cancelCause: cancelCauseSchema.nullable(),
  }),
  itemErrorSchema,
])
const resultsSchema = z.object({ items: z.array(resultOutcomeSchema) })

export function writeResultOutcome(outcome: ResultOutcome): z.input<typeof resultOutcomeSchema> {
  if (outcome.outcome === 'error') return writeItemError(outcome.error)
  if (outcome.outcome !== 'success') return outcome
  const { result, ...rest } = outcome
  return { ...rest, ...writeResult(result) }
}

export function readResultOutcome(wire: z.infer<typeof resultOutcomeSchema>): ResultOutcome {
  if (wire.outcome === 'error') return readItemError(wire)
  if (wire.outcome !== 'success') return wire
  const { result, resultBase64, ...rest } = wire
  return { ...rest, result: readPayload(result, resultBase64, 'result') }
}

const idsBody = z.strictObject({ ids: z.array(executionId) })

export const getResults: WireOperation<GetResults, { readonly items: readonly ResultOutcome[] }> = {
  name: 'executions.getResult',
  method: 'POST',
  path: '/executions:results',
  summary: 'Read the recorded ends of several executions.',
  tag: 'executions',
  schemas: { body: idsBody, answer: resultsSchema },
  refusals: [],
  writeRequest: ({ ids }) => ({ body: { ids } }),
  readRequest: (call) => ({ params: { namespace: call.namespace, ids: readWire(idsBody, call.body).ids } }),
  writeAnswer: ({ items }) => ({ items: items.map(writeResultOutcome) }),
  readAnswer: (json) => ({ items: readReply(resultsSchema, json).items.map(readResultOutcome) }),
}
