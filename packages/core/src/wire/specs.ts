import { z } from 'zod'
import type { ExecutionSpec } from '../contract/executions.js'
import { limits } from '../limits.js'
import { defaultLane } from '../names.js'
import { defaultRetryPolicy, type RetryPolicy } from '../policies/retry.js'
import { budgetDemandsField, quotaDemandsField } from './demands.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { executionId, kindName, laneName, timeMs, whole } from './scalars.js'

const duration = (description: string) => whole(0, limits.durationMsMax, description)

export const tagsSchema = z.record(z.string(), z.string()).describe('Tags: `segment.segment` → text.')

/** A retry policy as a caller states it: what is absent takes the default. */
const retrySchema = z.strictObject({
  maxAttempts: whole(1, limits.attemptsMax, 'Initial and retry attempts together.').optional(),
  backoff: z
    .strictObject({
      kind: z.enum(['fixed', 'exponential']).optional(),
      initialMs: duration('The first pause.').optional(),
      multiplier: z.number().optional().describe('Factor from one pause to the next.'),
      maxMs: duration('The longest pause.').optional(),
      jitter: z.boolean().optional().describe('Full jitter: uniform in 0…computed.'),
    })
    .optional(),
  nonRetryable: z.array(z.string()).optional().describe('Failure categories that end it at once.'),
})

const timeoutsSchema = z.strictObject({
  deadlineMs: duration('Schedule-to-close; ends it as `expired`.').optional(),
  attemptTimeoutMs: duration('Start-to-close of one attempt.').optional(),
  queueTtlMs: duration('Schedule-to-start; ends it as `expired`.').optional(),
})

export const parentSchema = z
  .strictObject({
    id: executionId,
    detached: z.boolean().describe('Whether it outlives its parent when that is stopped.'),
  })
  .describe('The execution that calls it.')

/** What describes a unit of work, in a flow or not. */
export const specFields = {
  id: executionId.optional().describe('Minted by the server when absent.'),
  kind: kindName,
  lane: laneName.optional().describe('Default: `default`.'),
  input: jsonPayload,
  inputBase64: base64Payload,
  inputHash: z.string().optional().describe('By default SHA-256 of the input.'),
  priority: whole(0, limits.priorityMax, 'Higher first.').optional(),
  capabilities: z.array(z.string()).optional().describe('What a worker must advertise.'),
  tags: tagsSchema.optional(),
  retry: retrySchema.optional(),
  timeouts: timeoutsSchema.optional(),
  startAtMs: timeMs.optional().describe('Not before this store time. Excludes `delayMs`.'),
  delayMs: duration('Not before acceptance plus this.').optional(),
  retentionMs: duration('How long it is kept once terminal; default: the lane’s.').optional(),
  maxReclaims: whole(0, 1_000, 'Leases that may be lost before it fails.').optional(),
  traceContext: z.string().optional().describe('W3C traceparent.'),
  budgets: budgetDemandsField,
  quotas: quotaDemandsField,
} as const

const specSchema = z.strictObject(specFields)
export type WireSpec = z.infer<typeof specSchema>

type SpecFields = Omit<ExecutionSpec, 'id'>

/**
 * The spec without its id, which may have to be minted. Field by field: leaving some out of a copy costs each of a batch
 * several µs.
 */
export function readSpec(wire: WireSpec): SpecFields {
  const { retry } = wire
  return {
    kind: wire.kind,
    lane: wire.lane ?? defaultLane,
    input: readPayload(wire.input, wire.inputBase64, 'input'),
    inputHash: wire.inputHash,
    priority: wire.priority,
    capabilities: wire.capabilities,
    tags: wire.tags,
    retry: retry && readRetry(retry),
    timeouts: wire.timeouts,
    startAtMs: wire.startAtMs,
    delayMs: wire.delayMs,
    retentionMs: wire.retentionMs,
    maxReclaims: wire.maxReclaims,
    traceContext: wire.traceContext,
    budgets: wire.budgets,
    quotas: wire.quotas,
  } satisfies Record<keyof SpecFields, unknown>
}

type WrittenSpec = SpecFields & { readonly id?: ExecutionSpec['id'] }

/** Any part of a spec that holds an input, with whatever else it has, for answers. */
export function writeWholeSpec(spec: WrittenSpec): WireSpec {
  const { lane, retry } = spec
  return { ...writeSpec(spec), lane, retry: retry && { ...retry, nonRetryable: [...retry.nonRetryable] } }
}

/** The same for requests: what their reader fills in is left out, so defaults must stay what they are. */
export function writeSpec(spec: WrittenSpec): WireSpec {
  const { json, base64 } = writePayload(spec.input)
  const wire: Record<string, unknown> = { ...spec }
  wire.input = json ?? undefined
  if (base64 !== undefined) wire.inputBase64 = base64
  if (spec.lane === defaultLane) wire.lane = undefined
  if (spec.retry !== undefined) wire.retry = writeRetry(spec.retry)
  return wire as WireSpec
}

/** A policy as records show it, every default filled in. */
export const fullRetrySchema: z.ZodType<RetryPolicy> = z.object({
  maxAttempts: z.number(),
  backoff: z.object({
    kind: z.enum(['fixed', 'exponential']),
    initialMs: z.number(),
    multiplier: z.number(),
    maxMs: z.number(),
    jitter: z.boolean(),
  }),
  nonRetryable: z.array(z.string()),
})

type WireRetry = z.infer<typeof retrySchema>

function readRetry({ maxAttempts, backoff = {}, nonRetryable }: WireRetry): RetryPolicy {
  const byDefault = defaultRetryPolicy
  const initialMs = backoff.initialMs ?? byDefault.backoff.initialMs
  return {
    maxAttempts: maxAttempts ?? byDefault.maxAttempts,
    backoff: {
      kind: backoff.kind ?? byDefault.backoff.kind,
      initialMs,
      multiplier: backoff.multiplier ?? byDefault.backoff.multiplier,
      maxMs: backoff.maxMs ?? longestPauseMs(initialMs),
      jitter: backoff.jitter ?? byDefault.backoff.jitter,
    },
    nonRetryable: nonRetryable ?? byDefault.nonRetryable,
  }
}

/** Most policies are little more than a number: in a batch of small items the rest would be half of its text. */
function writeRetry({ maxAttempts, backoff, nonRetryable }: RetryPolicy): WireRetry {
  const { kind, initialMs, multiplier, maxMs, jitter } = backoff
  const usual = defaultRetryPolicy.backoff
  const isUsual =
    kind === usual.kind &&
    initialMs === usual.initialMs &&
    multiplier === usual.multiplier &&
    maxMs === usual.maxMs &&
    jitter === usual.jitter
  return {
    maxAttempts,
    backoff: isUsual ? undefined : backoff,
    nonRetryable: nonRetryable.length === 0 ? undefined : [...nonRetryable],
  }
}

/** A first pause that is longer than the default's longest one raises that. */
function longestPauseMs(initialMs: number): number {
  return Math.max(defaultRetryPolicy.backoff.maxMs, initialMs)
}
