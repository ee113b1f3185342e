import { z } from 'zod'
import {
  type AttemptRecord,
  attemptRecordStates,
  attemptTypes,
  endedBys,
  type StepRecord,
  type UpstreamResult,
} from '../contract/attempts.js'
import type { Failure } from '../contract/conventions.js'
import { cancelCauses, type Execution, type LeaseView } from '../contract/executions.js'
import { laneStates } from '../contract/lanes.js'
import { publicStates } from '../state/public-state.js'
import {
  attemptStates,
  blockingReasons,
  eligibilityStates,
  lifecyclePhases,
  ownershipStates,
  terminalOutcomes,
} from '../state/vector.js'
import { budgetDemandSchema, quotaDemandSchema } from './demands.js'
import { base64Payload, readPayload, writePayload } from './payload.js'
import {
  executionId,
  flowId,
  instanceId,
  kindName,
  laneName,
  namespaceName,
  timeMs,
  workerId,
} from './scalars.js'
import { fullRetrySchema, parentSchema, tagsSchema } from './specs.js'

export const publicStateSchema = z.enum(publicStates)
export const laneStateSchema = z.enum(laneStates)
export const cancelCauseSchema = z.enum(cancelCauses)
export const recordedOutcomeSchema = z.enum(['success', 'failed', 'cancelled', 'expired', 'skipped'])

export const failureSchema: z.ZodType<Failure> = z.object({
  category: z.string().describe('Word for retry policies: `error`, `timeout`, `validation`, or your own.'),
  message: z.string(),
  details: z.string().optional().describe('Opaque detail, such as a stack.'),
})

const leaseSchema: z.ZodType<LeaseView> = z.object({
  workerId,
  instanceId,
  attemptIndex: z.number(),
  startedAtMs: timeMs,
  expiresAtMs: timeMs,
  attemptDeadlineAtMs: timeMs.nullable(),
})

export const cancelRequestedSchema = z.object({ graceEndsAtMs: timeMs, cause: cancelCauseSchema }).nullable()

export const executionSchema: z.ZodType<Execution> = z.object({
  id: executionId,
  namespace: namespaceName,
  flowId: flowId.nullable(),
  parent: parentSchema.nullable(),
  name: z.string().nullable().describe('Its name as a node of its flow.'),
  kind: kindName,
  lane: laneName,
  capabilities: z.array(z.string()),
  priority: z.number(),
  tags: tagsSchema,
  retry: fullRetrySchema,
  timeouts: z.object({
    deadlineMs: z.number().optional(),
    attemptTimeoutMs: z.number().optional(),
    queueTtlMs: z.number().optional(),
  }),
  budgets: z.array(budgetDemandSchema),
  quotas: z.array(quotaDemandSchema),
  state: z.object({
    lifecyclePhase: z.enum(lifecyclePhases),
    ownershipState: z.enum(ownershipStates),
    eligibilityState: z.enum(eligibilityStates),
    blockingReason: z.enum(blockingReasons),
    terminalOutcome: z.enum(terminalOutcomes),
    attemptState: z.enum(attemptStates),
  }),
  publicState: publicStateSchema,
  generation: z.number(),
  epoch: z.number(),
  attemptCount: z.number(),
  retryCount: z.number(),
  reclaimCount: z.number(),
  replayCount: z.number(),
  held: z.boolean(),
  createdAtMs: timeMs,
  firstEligibleAtMs: timeMs.nullable(),
  readyAtMs: timeMs.nullable(),
  notBeforeMs: timeMs.nullable(),
  delayReason: z.enum(['start_time', 'retry_backoff', 'reclaim_backoff', 'resume_delay']).nullable(),
  deadlineAtMs: timeMs.nullable(),
  lease: leaseSchema.nullable(),
  cancelRequested: cancelRequestedSchema,
  cancelCause: cancelCauseSchema.nullable(),
  failure: failureSchema.nullable(),
  progress: z.object({ percent: z.number(), message: z.string().nullable() }).nullable(),
  terminalAtMs: timeMs.nullable(),
})

export const attemptSchema: z.ZodType<AttemptRecord> = z.object({
  executionId,
  index: z.number(),
  type: z.enum(attemptTypes),
  generation: z.number(),
  state: z.enum(attemptRecordStates),
  epoch: z.number(),
  workerId,
  instanceId,
  startedAtMs: timeMs,
  endedAtMs: timeMs.nullable(),
  endedBy: z.enum(endedBys).nullable(),
  late: z.boolean(),
  failure: failureSchema.nullable(),
})

export const resultFields = {
  result: z.unknown().optional().describe('The result as JSON; null without one.'),
  resultBase64: base64Payload,
} as const

export const stepTypeSchema = z.enum(['step', 'sleep', 'spawn', 'submit', 'call', 'suspend'])

export const stepSchema = z.object({
  name: z.string(),
  type: stepTypeSchema,
  ...resultFields,
  attemptIndex: z.number(),
  recordedAtMs: timeMs,
})
type WireStep = z.infer<typeof stepSchema>

export function writeStep({ result, ...rest }: StepRecord): WireStep {
  return { ...rest, ...writeResult(result) }
}

export function readStep({ result, resultBase64, ...rest }: WireStep): StepRecord {
  return { ...rest, result: readPayload(result, resultBase64, 'result') }
}

export const upstreamSchema = z.object({
  as: z.string(),
  executionId,
  publicState: publicStateSchema,
  satisfied: z.boolean(),
  ...resultFields,
})
type WireUpstream = z.infer<typeof upstreamSchema>

export function writeUpstream({ result, ...rest }: UpstreamResult): WireUpstream {
  return { ...rest, ...writeResult(result) }
}

export function readUpstream({ result, resultBase64, ...rest }: WireUpstream): UpstreamResult {
  return { ...rest, result: readPayload(result, resultBase64, 'result') }
}

/** The wire fields of a result: `result` is always there, null without one, unless it goes as base64. */
export function writeResult(result: StepRecord['result']): { result?: unknown; resultBase64?: string } {
  const { json, base64 } = writePayload(result)
  return base64 === undefined ? { result: json } : { resultBase64: base64 }
}

export function pageOf<Item>(item: z.ZodType<Item>) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() })
}
