import { z } from 'zod'
import type { Page } from '../contract/conventions.js'
import {
  type GetSchedule,
  type ListSchedules,
  overlapPolicies,
  type PauseSchedule,
  type PutSchedule,
  type Schedule,
  type ScheduleOperations,
  type ScheduleSummary,
  type TriggerSchedule,
  type TriggerScheduleOutcome,
} from '../contract/schedules.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { mintScheduleId, mintUuid, parseScheduleId, type ScheduleId } from '../ids/index.js'
import { limits } from '../limits.js'
import { bodyOr, pageQuery, reasonField } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { executionId, flowId, scheduleId, timeMs, whole } from './scalars.js'
import { readWork, timingSchema, workSchema, writeWork } from './scheduled-work.js'
import { writeSpec, writeWholeSpec } from './specs.js'

const tag = 'schedules'
const schedulePath = z.strictObject({ scheduleId })

function readSchedulePath(call: WireCall): GetSchedule {
  return { namespace: call.namespace, scheduleId: readWire(schedulePath, call.path).scheduleId }
}

const definitionFields = {
  label: z.string().describe('For people, and what listings are ordered by.'),
  timing: timingSchema,
  work: workSchema,
  overlap: z
    .enum(overlapPolicies)
    .optional()
    .describe('What a tick does while earlier work runs; default `skip`.'),
  jitterMs: whole(0, limits.scheduleJitterMsMax, 'Each fire is up to this later than its tick.').optional(),
  catchUpMs: whole(
    limits.scheduleCatchUpMsMin,
    limits.durationMsMax,
    'Ticks older than this are not caught up after a downtime.',
  ).optional(),
} as const

const started = z.array(z.union([executionId, flowId]))
const summaryFields = {
  id: scheduleId,
  label: z.string(),
  timing: timingSchema,
  overlap: z.enum(overlapPolicies),
  jitterMs: z.number(),
  catchUpMs: z.number(),
  paused: z.boolean(),
  pauseReason: z.string().nullable(),
  createdAtMs: timeMs,
  updatedAtMs: timeMs,
  lastFireAtMs: timeMs.nullable(),
  nextFireAtMs: timeMs.nullable(),
  running: started,
  bufferedMs: z.array(timeMs),
  backfills: z.array(z.object({ triggerKey: z.string(), ticksLeft: z.number() })),
  lastRefusal: z.object({ tickMs: timeMs, code: z.string(), atMs: timeMs }).nullable(),
} as const
const summarySchema: z.ZodType<ScheduleSummary> = z.object(summaryFields)
const scheduleSchema = z.object({ ...summaryFields, work: workSchema })
type WireSchedule = z.infer<typeof scheduleSchema>

function readSchedule({ work, ...summary }: WireSchedule): Schedule {
  return { ...summary, work: readWork(work) }
}

function writeSchedule({ work, ...summary }: Schedule): object {
  return { ...summary, work: writeWork(work, writeWholeSpec) }
}

type Put = Awaited<ReturnType<ScheduleOperations['put']>>
const putBody = z.strictObject(definitionFields)
const putSchema = z.object({ outcome: z.enum(['created', 'replaced']), schedule: scheduleSchema })

function readDefinition(wire: z.infer<typeof putBody>): Omit<PutSchedule, 'namespace' | 'scheduleId'> {
  return { ...wire, work: readWork(wire.work) }
}

const putAnswers = {
  status: ({ outcome }: Put) => (outcome === 'created' ? 201 : 200),
  refusals: [],
  writeAnswer: ({ outcome, schedule }: Put) => ({ outcome, schedule: writeSchedule(schedule) }),
  readAnswer: (json: unknown): Put => {
    const { outcome, schedule } = readReply(putSchema, json)
    return { outcome, schedule: readSchedule(schedule) }
  },
}

export const putSchedule: WireOperation<PutSchedule, Put> = {
  ...putAnswers,
  name: 'schedules.put',
  method: 'PUT',
  path: '/schedules/{scheduleId}',
  summary: 'Create or replace a schedule. What it has been through stands.',
  tag,
  schemas: { path: schedulePath, body: putBody, answer: putSchema },
  writeRequest: ({ namespace: _, scheduleId: id, work, ...definition }) => ({
    path: { scheduleId: id },
    body: { ...definition, work: writeWork(work, writeSpec) },
  }),
  readRequest: (call) => ({
    params: { ...readSchedulePath(call), ...readDefinition(readWire(putBody, call.body)) },
  }),
}

const createBody = z.strictObject({
  ...definitionFields,
  scheduleId: scheduleId.optional().describe('Minted by the server when absent.'),
  idempotencyKey: z.string().optional().describe('A repeat under the same key means the same schedule.'),
})

/** The same for callers that mint no ids. */
export const createSchedule: WireOperation<PutSchedule, Put> = {
  ...putAnswers,
  name: 'schedules.create',
  method: 'POST',
  path: '/schedules',
  summary: 'Create a schedule.',
  tag,
  schemas: { body: createBody, answer: putSchema },
  writeRequest: ({ namespace: _, work, ...rest }) => ({
    body: { ...rest, work: writeWork(work, writeSpec) },
  }),
  readRequest: (call) => {
    const { scheduleId: stated, idempotencyKey, ...definition } = readWire(createBody, call.body)
    const id = stated ?? mintIdOf(call, idempotencyKey)
    return { params: { ...readDefinition(definition), namespace: call.namespace, scheduleId: id } }
  },
}

function mintIdOf({ namespace }: WireCall, idempotencyKey: string | undefined): ScheduleId {
  if (idempotencyKey === undefined) return mintScheduleId()
  return parseScheduleId(deriveUuid('schedule', namespace, idempotencyKey))
}

type Got = Awaited<ReturnType<ScheduleOperations['get']>>
const getSchema = z.object({
  outcome: z.literal('found'),
  schedule: scheduleSchema,
  nextFiresMs: z.array(timeMs),
})

export const getSchedule: WireOperation<GetSchedule, Got> = {
  name: 'schedules.get',
  method: 'GET',
  path: '/schedules/{scheduleId}',
  summary: 'Read a schedule, with its next fire times.',
  tag,
  schemas: { path: schedulePath, answer: getSchema },
  refusals: [],
  writeRequest: ({ scheduleId: id }) => ({ path: { scheduleId: id } }),
  readRequest: (call) => ({ params: readSchedulePath(call) }),
  writeAnswer: ({ schedule, ...rest }) => ({ ...rest, schedule: writeSchedule(schedule) }),
  readAnswer: (json) => {
    const { schedule, ...rest } = readReply(getSchema, json)
    return { ...rest, schedule: readSchedule(schedule) }
  },
}

const listQuery = z.strictObject(pageQuery)

export const listSchedules: WireOperation<ListSchedules, Page<ScheduleSummary>> = {
  name: 'schedules.list',
  method: 'GET',
  path: '/schedules',
  summary: 'List schedules by label, without what they start.',
  tag,
  schemas: { query: listQuery, answer: pageOf(summarySchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: { ...readWire(listQuery, call.query), namespace: call.namespace } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(summarySchema), json),
}

const deleteSchema = z.object({ outcome: z.enum(['deleted', 'not_found']) })

export const deleteSchedule: WireOperation<GetSchedule, z.infer<typeof deleteSchema>> = {
  name: 'schedules.delete',
  method: 'DELETE',
  path: '/schedules/{scheduleId}',
  summary: 'Delete a schedule. What it started goes on.',
  tag,
  schemas: { path: schedulePath, answer: deleteSchema },
  refusals: [],
  writeRequest: ({ scheduleId: id }) => ({ path: { scheduleId: id } }),
  readRequest: (call) => ({ params: readSchedulePath(call) }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(deleteSchema, json),
}

const pauseBody = z.strictObject({
  paused: z.boolean().optional().describe('Default true.'),
  reason: reasonField,
})
const resumeBody = z.strictObject({ reason: reasonField })
const pauseSchema = z.object({ outcome: z.enum(['paused', 'resumed', 'unchanged']) })
type Paused = z.infer<typeof pauseSchema>

export const pauseSchedule: WireOperation<PauseSchedule, Paused> = {
  name: 'schedules.pause',
  method: 'POST',
  path: '/schedules/{scheduleId}/pause',
  summary: 'Stop firing. Ticks missed while paused are not caught up.',
  tag,
  schemas: { path: schedulePath, body: pauseBody, answer: pauseSchema },
  refusals: [],
  writeRequest: ({ scheduleId: id, paused, reason }) => ({
    path: { scheduleId: id },
    body: { paused, reason },
  }),
  readRequest: (call) => {
    const { paused = true, reason } = readWire(pauseBody, bodyOr(call))
    return { params: { ...readSchedulePath(call), paused, reason } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(pauseSchema, json),
}

export const resumeSchedule: WireOperation<PauseSchedule, Paused> = {
  ...pauseSchedule,
  name: 'schedules.resume',
  path: '/schedules/{scheduleId}/resume',
  summary: 'Go on firing, with the ticks that come.',
  schemas: { path: schedulePath, body: resumeBody, answer: pauseSchema },
  writeRequest: ({ scheduleId: id, reason }) => ({ path: { scheduleId: id }, body: { reason } }),
  readRequest: (call) => ({
    params: { ...readSchedulePath(call), ...readWire(resumeBody, bodyOr(call)), paused: false },
  }),
}

const range = { fromMs: timeMs, toMs: timeMs } as const
const triggerKey = z
  .string()
  .optional()
  .describe('A repeat under the same key starts nothing; minted when absent.')
const triggerBody = z.strictObject({ triggerKey, backfill: z.strictObject(range).optional() })
const backfillBody = z.strictObject({ triggerKey, ...range })
const triggerSchema = z.object({
  outcome: z.enum(['triggered', 'duplicate']),
  started,
  refused: z.array(z.object({ tickMs: timeMs, code: z.string() })),
})

export const triggerSchedule: WireOperation<TriggerSchedule, TriggerScheduleOutcome> = {
  name: 'schedules.trigger',
  method: 'POST',
  path: '/schedules/{scheduleId}/trigger',
  summary: 'Fire now, or each tick of a past range once.',
  tag,
  schemas: { path: schedulePath, body: triggerBody, answer: triggerSchema },
  refusals: ['idempotency_conflict'],
  writeRequest: ({ scheduleId: id, triggerKey: key, backfill }) => ({
    path: { scheduleId: id },
    body: { triggerKey: key, backfill },
  }),
  readRequest: (call) => {
    const { triggerKey: key = mintUuid(), backfill } = readWire(triggerBody, bodyOr(call))
    return { params: { ...readSchedulePath(call), triggerKey: key, backfill } }
  },
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(triggerSchema, json),
}

export const backfillSchedule: WireOperation<TriggerSchedule, TriggerScheduleOutcome> = {
  ...triggerSchedule,
  name: 'schedules.backfill',
  path: '/schedules/{scheduleId}/backfill',
  summary: 'Start each tick of a past range once, both ends included.',
  schemas: { path: schedulePath, body: backfillBody, answer: triggerSchema },
  writeRequest: ({ scheduleId: id, triggerKey: key, backfill }) => ({
    path: { scheduleId: id },
    body: { triggerKey: key, ...backfill },
  }),
  readRequest: (call) => {
    const { triggerKey: key = mintUuid(), fromMs, toMs } = readWire(backfillBody, bodyOr(call))
    return { params: { ...readSchedulePath(call), triggerKey: key, backfill: { fromMs, toMs } } }
  },
}
