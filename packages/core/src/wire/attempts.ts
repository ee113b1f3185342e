import { z } from 'zod'
import type {
  AttemptRecord,
  ListAttempts,
  LoadSteps,
  LoadUpstream,
  RecordProgress,
  RecordProgressOutcome,
  RecordStepOutcome,
  RecordSteps,
  StepRecord,
  UpstreamResult,
} from '../contract/attempts.js'
import type { Page } from '../contract/conventions.js'
import { executionPath, pageQuery, readExecutionPath } from './executions.js'
import { fencingSchemas } from './leases.js'
import type { WireOperation } from './operation.js'
import { readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import {
  attemptSchema,
  pageOf,
  readStep,
  readUpstream,
  resultFields,
  stepSchema,
  stepTypeSchema,
  upstreamSchema,
  writeStep,
  writeUpstream,
} from './records.js'
import { handle } from './scalars.js'
import { workerBatch } from './worker-batch.js'

const pageQuerySchema = z.strictObject(pageQuery)

/** A page of what belongs to one execution. */
function attemptPage<Item, Wire>(operation: {
  readonly name: string
  readonly part: string
  readonly summary: string
  readonly item: z.ZodType<Wire>
  readonly writeItem: (item: Item) => unknown
  readonly readItem: (wire: Wire) => Item
}): WireOperation<ListAttempts, Page<Item>> {
  const page = pageOf(operation.item)
  return {
    name: operation.name,
    method: 'GET',
    path: `/executions/{id}/${operation.part}`,
    summary: operation.summary,
    tag: 'executions',
    schemas: { path: executionPath, query: pageQuerySchema, answer: page },
    refusals: [],
    writeRequest: ({ executionId: id, cursor, limit }) => ({ path: { id }, query: { cursor, limit } }),
    readRequest: (call) => ({
      params: {
        ...readWire(pageQuerySchema, call.query),
        namespace: call.namespace,
        executionId: readExecutionPath(call),
      },
    }),
    writeAnswer: ({ items, nextCursor }) => ({ items: items.map(operation.writeItem), nextCursor }),
    readAnswer: (json) => {
      const { items, nextCursor } = readReply(page, json)
      return { items: items.map(operation.readItem), nextCursor }
    },
  }
}

export const listAttempts: WireOperation<ListAttempts, Page<AttemptRecord>> = attemptPage({
  name: 'attempts.list',
  part: 'attempts',
  summary: 'The attempts of an execution, oldest first.',
  item: attemptSchema,
  writeItem: (item: AttemptRecord) => item,
  readItem: (wire) => wire,
})

export const loadSteps: WireOperation<LoadSteps, Page<StepRecord>> = attemptPage({
  name: 'attempts.loadSteps',
  part: 'steps',
  summary: 'The journal of an execution.',
  item: stepSchema,
  writeItem: writeStep,
  readItem: readStep,
})

export const loadUpstream: WireOperation<LoadUpstream, Page<UpstreamResult>> = attemptPage({
  name: 'attempts.loadUpstream',
  part: 'upstream',
  summary: 'What the upstreams of a flow’s member handed down.',
  item: upstreamSchema,
  writeItem: writeUpstream,
  readItem: readUpstream,
})

export const recordProgress: WireOperation<
  RecordProgress,
  { readonly items: readonly RecordProgressOutcome[] }
> = workerBatch({
  name: 'attempts.recordProgress',
  path: '/leases/progress',
  summary: 'Record how far attempts have come.',
  tag: 'leases',
  item: z.strictObject({
    handle,
    percent: z.number().meta({ minimum: 0, maximum: 100 }),
    message: z.string().optional(),
  }),
  outcome: z.discriminatedUnion('outcome', [z.object({ outcome: z.literal('recorded') }), ...fencingSchemas]),
  readItem: (wire) => wire,
  writeItem: (item) => item,
})

const stepOutcomeSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('recorded'), step: stepSchema }),
  z.object({ outcome: z.literal('already_recorded'), step: stepSchema }),
  z.object({ outcome: z.literal('journal_mismatch'), recordedType: stepTypeSchema }),
  z.object({ outcome: z.literal('journal_full') }),
  ...fencingSchemas,
])
type WireStepOutcome = z.infer<typeof stepOutcomeSchema>

const stepBatch = workerBatch({
  name: 'attempts.recordStep',
  path: '/leases/steps',
  summary: 'Append to the journals of executions.',
  tag: 'leases',
  item: z.strictObject({ handle, name: z.string(), type: stepTypeSchema, ...resultFields }),
  outcome: stepOutcomeSchema,
  readItem: ({ result, resultBase64, ...rest }) => ({
    ...rest,
    result: readPayload(result, resultBase64, 'result'),
  }),
  writeItem: ({ result, ...rest }: RecordSteps['items'][number]) => {
    const { json, base64 } = writePayload(result)
    return { ...rest, result: json ?? undefined, resultBase64: base64 }
  },
})

export const recordStep: WireOperation<RecordSteps, { readonly items: readonly RecordStepOutcome[] }> = {
  ...stepBatch,
  writeAnswer: ({ items }) => stepBatch.writeAnswer({ items: items.map(writeStepOutcome) }),
  readAnswer: (json) => ({
    items: stepBatch.readAnswer(json).items.map((item): RecordStepOutcome => {
      if (item.outcome !== 'recorded' && item.outcome !== 'already_recorded') return item
      return { ...item, step: readStep(item.step) }
    }),
  }),
}

function writeStepOutcome(
  item: RecordStepOutcome,
): WireStepOutcome | Extract<RecordStepOutcome, { outcome: 'error' }> {
  if (item.outcome !== 'recorded' && item.outcome !== 'already_recorded') return item
  return { ...item, step: writeStep(item.step) }
}
