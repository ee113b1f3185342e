import { z } from 'zod'
import {
  type EngineEvent,
  type EventFilter,
  type EventsPage,
  eventTypes,
  type Hint,
  type HintType,
  type ReadEvents,
} from '../contract/events.js'
import { flowStates } from '../contract/flows.js'
import { limits } from '../limits.js'
import type { WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { cancelCauseSchema, publicStateSchema } from './records.js'
import {
  asList,
  budgetId,
  executionId,
  flowId,
  kindName,
  laneName,
  listText,
  namespaceName,
  partitionTag,
  signalId,
  timeMs,
  waitpointId,
  wholeText,
} from './scalars.js'

const base = { namespace: namespaceName, partition: partitionTag, number: z.number(), atMs: timeMs } as const

export const eventSchema: z.ZodType<EngineEvent> = z.discriminatedUnion('type', [
  z.object({
    ...base,
    type: z.literal('execution'),
    executionId,
    flowId: flowId.nullable(),
    name: z.string().nullable(),
    kind: kindName,
    lane: laneName,
    publicState: publicStateSchema,
    previousState: publicStateSchema.nullable(),
    attemptIndex: z.number().nullable(),
    generation: z.number(),
    cancelCause: cancelCauseSchema.nullable(),
  }),
  z.object({
    ...base,
    type: z.literal('flow'),
    flowId,
    state: z.enum(flowStates),
    previousState: z.enum(flowStates).nullable(),
    graphRevision: z.number(),
    generation: z.number(),
  }),
  z.object({
    ...base,
    type: z.literal('signal'),
    executionId,
    flowId: flowId.nullable(),
    lane: laneName,
    signalId,
    waitpointId: waitpointId.nullable(),
    name: z.string(),
    outcome: z.enum(['accepted', 'satisfied', 'buffered']),
  }),
  z.object({
    ...base,
    type: z.literal('budget'),
    budgetId,
    change: z.enum(['soft_breach', 'hard_breach', 'reset']),
    period: z.number(),
  }),
])

/** The query of the feed, as a JSON page or as a stream. */
export const eventsQuery = z.strictObject({
  cursor: z.string().optional().describe('Continue here: the cursor of an answer, or of a streamed event.'),
  from: z.enum(['oldest', 'now']).optional().describe('Where to begin without a cursor; default `oldest`.'),
  executionId: executionId.optional(),
  flowId: flowId.optional(),
  lane: laneName.optional(),
  type: listText(z.enum(eventTypes), 'Types; any of them.'),
  limit: wholeText(1, limits.feedReadMax).optional(),
  waitMs: wholeText(0, limits.waitMsMax, 'How long to wait for news; default: not at all.').optional(),
})

export function readEventFilter(query: z.infer<typeof eventsQuery>): EventFilter | undefined {
  const { executionId: id, flowId: flow, lane, type } = query
  if (id === undefined && flow === undefined && lane === undefined && type === undefined) return undefined
  return { executionId: id, flowId: flow, lane, types: asList(type) }
}

const pageSchema = z.object({
  outcome: z.literal('events'),
  events: z.array(eventSchema),
  cursor: z.string(),
})

export const readEvents: WireOperation<ReadEvents, EventsPage> = {
  name: 'events.read',
  method: 'GET',
  path: '/events',
  summary: 'The change feed after a cursor: a page of JSON, or with `Accept: text/event-stream` a stream.',
  tag: 'events',
  schemas: { query: eventsQuery, answer: pageSchema },
  refusals: [],
  writeRequest: ({ cursor, from, filter, limit, waitMs }) => ({
    query: {
      cursor,
      from,
      limit,
      waitMs,
      executionId: filter?.executionId,
      flowId: filter?.flowId,
      lane: filter?.lane,
      type: filter?.types,
    },
  }),
  readRequest: (call) => {
    const query = readWire(eventsQuery, call.query)
    const { cursor, from, limit, waitMs } = query
    return {
      params: { namespace: call.namespace, cursor, from, limit, waitMs, filter: readEventFilter(query) },
    }
  },
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageSchema, json),
}

const hintTypes = [
  'ready',
  'due',
  'outbox',
  'ended',
  'attention',
  'events',
  'frames',
] as const satisfies readonly HintType[]

export const hintsQuery = z.strictObject({
  type: listText(z.enum(hintTypes), 'Types; any of them. Default: all.'),
})

export function readHintTypes(query: unknown): readonly HintType[] | undefined {
  return asList(readWire(hintsQuery, query).type)
}

/** A hint, as `GET /hints` streams them: one JSON text per event. */
export const hintSchema: z.ZodType<Hint> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), namespace: namespaceName, lane: laneName, count: z.number() }),
  z.object({ type: z.literal('due'), partition: partitionTag, dueAtMs: timeMs }),
  z.object({ type: z.literal('outbox'), partition: partitionTag }),
  z.object({ type: z.literal('ended'), id: z.union([executionId, flowId]) }),
  z.object({ type: z.literal('attention'), executionId }),
  z.object({ type: z.literal('events'), partition: partitionTag }),
  z.object({ type: z.literal('frames'), executionId }),
])
