import { z } from 'zod'
import type {
  ChildEnd,
  PayloadMatcher,
  ResumeCondition,
  Resumption,
  Signal,
  SuspensionView,
} from '../contract/suspensions.js'
import { resumedBys, suspensionReasons, suspensionTimeoutBehaviours } from '../contract/suspensions.js'
import { limits } from '../limits.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { recordedOutcomeSchema } from './records.js'
import { executionId, flowId, signalId, suspensionId, timeMs, waitpointId, whole } from './scalars.js'

/** What a suspension waits for, and how it was resumed. */

const pointer = z.string().describe('A JSON pointer into the payload.')

const matcherSchema: z.ZodType<PayloadMatcher> = z.lazy(() =>
  z.discriminatedUnion('op', [
    z.strictObject({ op: z.literal('equals'), path: pointer, value: z.unknown() }),
    z.strictObject({ op: z.literal('exists'), path: pointer }),
    z.strictObject({ op: z.enum(['above', 'below']), path: pointer, value: z.number() }),
    z.strictObject({ op: z.enum(['and', 'or']), of: z.array(matcherSchema) }),
    z.strictObject({ op: z.literal('not'), of: matcherSchema }),
  ]),
)

const matchSchema = z.strictObject({ name: z.string().optional(), payload: matcherSchema.optional() })

export const conditionSchema: z.ZodType<ResumeCondition> = z
  .lazy(() =>
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('signal'), waitpointId, match: matchSchema.optional() }),
      z.strictObject({ kind: z.literal('all_of'), of: z.array(conditionSchema) }),
      z.strictObject({ kind: z.literal('any_of'), of: z.array(conditionSchema) }),
      z.strictObject({
        kind: z.literal('count'),
        n: whole(1, limits.conditionCountMax),
        of: z.enum(['signals', 'waitpoints', 'sources']),
        waitpointIds: z.array(waitpointId),
        match: matchSchema.optional(),
      }),
      z.strictObject({ kind: z.literal('child'), id: z.union([executionId, flowId]) }),
    ]),
  )
  .meta({ id: 'ResumeCondition' })

export const suspensionSchema: z.ZodType<SuspensionView> = z.object({
  id: suspensionId,
  reason: z.enum(suspensionReasons),
  condition: conditionSchema,
  sinceMs: timeMs,
  timesOutAtMs: timeMs.nullable(),
  timeoutBehaviour: z.enum(suspensionTimeoutBehaviours).nullable(),
  escalated: z.boolean(),
})

export const signalSchema = z.object({
  id: signalId,
  waitpointId: waitpointId.nullable(),
  name: z.string(),
  payload: jsonPayload,
  payloadBase64: base64Payload,
  source: z.string().nullable(),
  receivedAtMs: timeMs,
  suspensionId: suspensionId.nullable(),
})
type WireSignal = z.infer<typeof signalSchema>

export function writeSignal({ payload, ...rest }: Signal): WireSignal {
  const { json, base64 } = writePayload(payload)
  return { ...rest, ...(base64 === undefined ? { payload: json } : { payloadBase64: base64 }) }
}

export function readSignal({ payload, payloadBase64, ...rest }: WireSignal): Signal {
  return { ...rest, payload: readPayload(payload, payloadBase64, 'payload') }
}

const childEndSchema: z.ZodType<ChildEnd> = z.object({
  id: z.union([executionId, flowId]),
  generation: z.number(),
  outcome: z.union([recordedOutcomeSchema, z.literal('not_found')]),
})

export const resumptionSchema = z.object({
  suspensionId,
  by: z.enum(resumedBys),
  atMs: timeMs,
  signals: z.array(signalSchema),
  signalsTruncated: z.boolean(),
  children: z.array(childEndSchema),
})
type WireResumption = z.infer<typeof resumptionSchema>

export function writeResumption({ signals, children, ...rest }: Resumption): WireResumption {
  return { ...rest, signals: signals.map(writeSignal), children: [...children] }
}

export function readResumption({ signals, ...rest }: WireResumption): Resumption {
  return { ...rest, signals: signals.map(readSignal) }
}
