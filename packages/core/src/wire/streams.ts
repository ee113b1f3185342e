import { z } from 'zod'
import type { Bytes, Page } from '../contract/conventions.js'
import {
  type AppendFrameOutcome,
  type AppendFrames,
  type Frame,
  type FramesTail,
  type FrameToAppend,
  type ReadFrames,
  type ReadStreamSummary,
  type StreamSummary,
  streamClosings,
  streamModes,
  type TailFrames,
} from '../contract/streams.js'
import { limits } from '../limits.js'
import { invalidParam } from '../validation/fields.js'
import { executionPath, pageQuery, readExecutionPath } from './executions.js'
import { fencingSchemas } from './leases.js'
import type { WireOperation } from './operation.js'
import { base64Payload, readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { handle, timeMs, whole, wholeText } from './scalars.js'
import { workerBatch } from './worker-batch.js'

const tag = 'streams'
const INDEX_MAX = 999_999_999

const mode = z.enum(streamModes)
const frameFields = {
  frame: z.unknown().optional().describe('The frame as JSON.'),
  frameBase64: base64Payload,
} as const
const attemptQuery = wholeText(0, INDEX_MAX, 'Which attempt; default: the newest.').optional()

const frameItem = z.strictObject({
  handle,
  mode,
  frameNumber: whole(0, INDEX_MAX, 'From 0 under each lease, without gaps: what makes a repeat the same.'),
  type: z.string().optional().describe('A word for readers.'),
  ...frameFields,
})

export const appendFrames: WireOperation<AppendFrames, { readonly items: readonly AppendFrameOutcome[] }> =
  workerBatch({
    name: 'streams.append',
    path: '/leases/frames',
    summary: 'Append frames to the streams of attempts.',
    tag: 'leases',
    item: frameItem,
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.literal('appended'), cursor: z.string() }),
      z.object({ outcome: z.literal('already_appended'), cursor: z.string() }),
      z.object({ outcome: z.literal('frame_out_of_order'), expectedFrameNumber: z.number() }),
      z.object({ outcome: z.literal('stream_full'), bound: z.enum(['frames', 'bytes', 'document']) }),
      ...fencingSchemas,
    ]),
    readItem: ({ frame, frameBase64, ...rest }): FrameToAppend => ({
      ...rest,
      frame: readBytes(frame, frameBase64, 'frame'),
    }),
    writeItem: ({ frame, ...rest }: FrameToAppend) => ({ ...rest, ...writeBytes(frame) }),
  })

const frameSchema = z.object({
  attemptIndex: z.number(),
  frameNumber: z.number().describe('Its place in its attempt. A jump tells that frames were dropped.'),
  mode,
  type: z.string().nullable(),
  ...frameFields,
  appendedAtMs: timeMs,
  cursor: z.string().describe('Continue after this frame.'),
})
type WireFrame = z.infer<typeof frameSchema>

/** A frame as it is streamed, one JSON text each. */
export function writeFrame({ frame, ...rest }: Frame): WireFrame {
  return { ...rest, ...writeBytes(frame) }
}

function readFrame({ frame, frameBase64, ...rest }: WireFrame): Frame {
  return { ...rest, frame: readBytes(frame, frameBase64, 'frame') }
}

const readQuery = z.strictObject({ attempt: attemptQuery, ...pageQuery })
const framePage = pageOf(frameSchema)

export const readFrames: WireOperation<ReadFrames, Page<Frame>> = {
  name: 'streams.read',
  method: 'GET',
  path: '/executions/{id}/frames',
  summary: 'A range of an attempt’s frames, in order.',
  tag,
  schemas: { path: executionPath, query: readQuery, answer: framePage },
  refusals: [],
  writeRequest: ({ executionId: id, attemptIndex: attempt, cursor, limit }) => ({
    path: { id },
    query: { attempt, cursor, limit },
  }),
  readRequest: (call) => {
    const { attempt, ...page } = readWire(readQuery, call.query)
    const executionId = readExecutionPath(call)
    return { params: { ...page, attemptIndex: attempt, namespace: call.namespace, executionId } }
  },
  writeAnswer: ({ items, nextCursor }) => ({ items: items.map(writeFrame), nextCursor }),
  readAnswer: (json) => {
    const { items, nextCursor } = readReply(framePage, json)
    return { items: items.map(readFrame), nextCursor }
  },
}

const tailQuery = z.strictObject({
  attempt: wholeText(
    0,
    INDEX_MAX,
    'Which attempt; default: the newest, across attempts the first.',
  ).optional(),
  across: z.enum(['true', 'false']).optional().describe('Whether to go on into later attempts.'),
  waitMs: wholeText(0, limits.waitMsMax, 'How long to wait for frames; default: not at all.').optional(),
  ...pageQuery,
})
const tailSchema = z.object({
  outcome: z.literal('frames'),
  frames: z.array(frameSchema),
  cursor: z.string(),
  closed: z.enum(streamClosings).nullable().describe('Why no more frames will come; null while they may.'),
})

export const tailFrames: WireOperation<TailFrames, FramesTail> = {
  name: 'streams.tail',
  method: 'GET',
  path: '/executions/{id}/stream',
  summary: 'Frames after a cursor: a page of JSON, or with `Accept: text/event-stream` a stream.',
  tag,
  schemas: { path: executionPath, query: tailQuery, answer: tailSchema },
  refusals: [],
  writeRequest: ({ executionId: id, attemptIndex: attempt, acrossAttempts, cursor, limit, waitMs }) => ({
    path: { id },
    query: { attempt, across: acrossAttempts === true ? 'true' : undefined, cursor, limit, waitMs },
  }),
  readRequest: (call) => {
    const { attempt, across, ...rest } = readWire(tailQuery, call.query)
    return {
      params: {
        ...rest,
        namespace: call.namespace,
        executionId: readExecutionPath(call),
        attemptIndex: attempt,
        acrossAttempts: across === 'true',
      },
    }
  },
  writeAnswer: (tail) => ({ ...tail, frames: tail.frames.map(writeFrame) }),
  readAnswer: (json) => {
    const tail = readReply(tailSchema, json)
    return { ...tail, frames: tail.frames.map(readFrame) }
  },
}

const summaryQuery = z.strictObject({ attempt: attemptQuery })
const summarySchema = z.object({
  outcome: z.literal('summary'),
  attemptIndex: z.number(),
  document: z.unknown().optional().describe('What the patches of the attempt made; `{}` before the first.'),
  documentBase64: base64Payload,
  patchCount: z.number(),
  updatedAtMs: timeMs.nullable(),
})

export const readSummary: WireOperation<ReadStreamSummary, StreamSummary> = {
  name: 'streams.readSummary',
  method: 'GET',
  path: '/executions/{id}/summary',
  summary: 'The summary document of an attempt.',
  tag,
  schemas: { path: executionPath, query: summaryQuery, answer: summarySchema },
  refusals: [],
  writeRequest: ({ executionId: id, attemptIndex: attempt }) => ({ path: { id }, query: { attempt } }),
  readRequest: (call) => ({
    params: {
      namespace: call.namespace,
      executionId: readExecutionPath(call),
      attemptIndex: readWire(summaryQuery, call.query).attempt,
    },
  }),
  writeAnswer: ({ document, ...rest }) => {
    const { json, base64 } = writePayload(document)
    return { ...rest, document: json ?? undefined, documentBase64: base64 }
  },
  readAnswer: (json) => {
    const { document, documentBase64, ...rest } = readReply(summarySchema, json)
    return { ...rest, document: readBytes(document, documentBase64, 'document') }
  },
}

function writeBytes(frame: Bytes): { readonly frame?: unknown; readonly frameBase64?: string } {
  const { json, base64 } = writePayload(frame)
  return base64 === undefined ? { frame: json } : { frameBase64: base64 }
}

/** Throws `invalid_params`. Unlike an input, a frame is always there: JSON's null is one of four bytes. */
function readBytes(json: unknown, base64: string | undefined, name: string): Bytes {
  if (json === undefined && base64 === undefined) throw invalidParam(name, 'must be there')
  return readPayload(json, base64, name) ?? NULL_BYTES
}

const NULL_BYTES = new TextEncoder().encode('null')
