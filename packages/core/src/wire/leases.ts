import { z } from 'zod'
import { attemptTypes, endedBys } from '../contract/attempts.js'
import type {
  ClaimedExecution,
  ClaimOutcome,
  ClaimRequest,
  CompleteLeases,
  CompleteOutcome,
  DelayLeases,
  DelayOutcome,
  FailLease,
  FailLeases,
  FailOutcome,
  FinishResult,
  RecordedEnd,
  RenewLeases,
  RenewOutcome,
  RevokeLease,
  RevokeOutcome,
  YieldLeases,
  YieldOutcome,
} from '../contract/leases.js'
import { limits } from '../limits.js'
import type { Namespace } from '../names.js'
import { invalidParam } from '../validation/fields.js'
import { readResumption, resumptionSchema, writeResumption } from './conditions.js'
import { budgetDemandSchema } from './demands.js'
import { bodyOr, executionPath, readExecutionPath, reasonField } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { base64Payload, jsonPayload, readPayload, writePayload } from './payload.js'
import { readReply, readWire } from './read.js'
import {
  cancelRequestedSchema,
  readStep,
  readUpstream,
  recordedOutcomeSchema,
  resultFields,
  stepSchema,
  upstreamSchema,
  writeStep,
  writeUpstream,
} from './records.js'
import {
  claimId,
  executionId,
  flowId,
  handle,
  instanceId,
  kindName,
  laneName,
  namespaceName,
  timeMs,
  whole,
  workerId,
} from './scalars.js'
import { tagsSchema } from './specs.js'
import { workerBatch } from './worker-batch.js'

const leaseTtlMs = whole(
  limits.leaseTtlMsMin,
  limits.leaseTtlMsMax,
  'How long the lease lasts unless it is renewed.',
)

const claimSchema = z.strictObject({
  claimId,
  workerId,
  instanceId,
  namespaces: z.array(namespaceName).optional().describe('Default: that of the request.'),
  lanes: z.array(laneName),
  kinds: z.array(kindName),
  capabilities: z.array(z.string()).optional(),
  max: whole(1, limits.claimBatchMax).optional().describe('Default 1.'),
  leaseTtlMs: leaseTtlMs.optional().describe('Default 30 s.'),
  waitMs: whole(0, limits.waitMsMax, 'How long to wait for work; default: not at all.').optional(),
})

function readClaim(wire: z.infer<typeof claimSchema>, namespace: Namespace): ClaimRequest {
  return {
    ...wire,
    namespaces: wire.namespaces ?? [namespace],
    capabilities: wire.capabilities ?? [],
    max: wire.max ?? 1,
    leaseTtlMs: wire.leaseTtlMs ?? limits.leaseTtlMsDefault,
  }
}

function writeClaim({ signal: _, ...request }: ClaimRequest): z.input<typeof claimSchema> {
  return request as z.input<typeof claimSchema>
}

const claimedSchema = z.object({
  executionId,
  namespace: namespaceName,
  flowId: flowId.nullable(),
  name: z.string().nullable(),
  kind: kindName,
  lane: laneName,
  priority: z.number(),
  input: jsonPayload,
  inputBase64: base64Payload,
  attemptIndex: z.number(),
  attemptType: z.enum(attemptTypes),
  generation: z.number(),
  handle,
  leaseExpiresAtMs: timeMs,
  attemptDeadlineAtMs: timeMs.nullable(),
  claimedAtMs: timeMs,
  upstream: z.array(upstreamSchema),
  upstreamTruncated: z.boolean(),
  steps: z.array(stepSchema),
  stepsTruncated: z.boolean(),
  resumption: resumptionSchema.nullable().describe('How its last suspension was resumed.'),
  budgets: z.array(budgetDemandSchema).describe('What it has reserved.'),
  tags: tagsSchema,
  traceContext: z.string().nullable(),
})

// Field by field: leaving some out of a copy costs each of a batch several µs.
function writeClaimed(claimed: ClaimedExecution): z.input<typeof claimedSchema> {
  const { resumption } = claimed
  const { json, base64 } = writePayload(claimed.input)
  return {
    executionId: claimed.executionId,
    namespace: claimed.namespace,
    flowId: claimed.flowId,
    name: claimed.name,
    kind: claimed.kind,
    lane: claimed.lane,
    priority: claimed.priority,
    input: base64 === undefined ? json : undefined,
    inputBase64: base64,
    attemptIndex: claimed.attemptIndex,
    attemptType: claimed.attemptType,
    generation: claimed.generation,
    handle: claimed.handle,
    leaseExpiresAtMs: claimed.leaseExpiresAtMs,
    attemptDeadlineAtMs: claimed.attemptDeadlineAtMs,
    claimedAtMs: claimed.claimedAtMs,
    upstream: claimed.upstream.map(writeUpstream),
    upstreamTruncated: claimed.upstreamTruncated,
    steps: claimed.steps.map(writeStep),
    stepsTruncated: claimed.stepsTruncated,
    resumption: resumption === null ? null : writeResumption(resumption),
    budgets: claimed.budgets as z.input<typeof claimedSchema>['budgets'],
    tags: claimed.tags,
    traceContext: claimed.traceContext,
  } satisfies Record<keyof ClaimedExecution | 'inputBase64', unknown>
}

function readClaimed(wire: z.infer<typeof claimedSchema>): ClaimedExecution {
  const { resumption } = wire
  return {
    executionId: wire.executionId,
    namespace: wire.namespace,
    flowId: wire.flowId,
    name: wire.name,
    kind: wire.kind,
    lane: wire.lane,
    priority: wire.priority,
    input: readPayload(wire.input, wire.inputBase64, 'input'),
    attemptIndex: wire.attemptIndex,
    attemptType: wire.attemptType,
    generation: wire.generation,
    handle: wire.handle,
    leaseExpiresAtMs: wire.leaseExpiresAtMs,
    attemptDeadlineAtMs: wire.attemptDeadlineAtMs,
    claimedAtMs: wire.claimedAtMs,
    upstream: wire.upstream.map(readUpstream),
    upstreamTruncated: wire.upstreamTruncated,
    steps: wire.steps.map(readStep),
    stepsTruncated: wire.stepsTruncated,
    resumption: resumption === null ? null : readResumption(resumption),
    budgets: wire.budgets,
    tags: wire.tags,
    traceContext: wire.traceContext,
  } satisfies Record<keyof ClaimedExecution, unknown>
}

const claimAnswerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('claimed'), leases: z.array(claimedSchema) }),
  z.object({ outcome: z.literal('empty'), nextDueAtMs: timeMs.optional() }),
])

export const claim: WireOperation<ClaimRequest, ClaimOutcome> = {
  name: 'leases.claim',
  method: 'POST',
  path: '/claims',
  summary: 'Lease work; waits for it up to `waitMs`.',
  tag: 'leases',
  schemas: { body: claimSchema, answer: claimAnswerSchema },
  refusals: [],
  writeRequest: (params) => ({ body: writeClaim(params) }),
  readRequest: (call) => ({ params: readClaim(readWire(claimSchema, call.body), call.namespace) }),
  writeAnswer: (answer) =>
    answer.outcome === 'claimed' ? { outcome: 'claimed', leases: answer.leases.map(writeClaimed) } : answer,
  readAnswer: (json) => {
    const answer = readReply(claimAnswerSchema, json)
    return answer.outcome === 'claimed'
      ? { outcome: 'claimed', leases: answer.leases.map(readClaimed) }
      : answer
  },
}

const recordedSchema: z.ZodType<RecordedEnd> = z.object({
  endedBy: z.enum(endedBys).nullable(),
  terminalOutcome: z.union([recordedOutcomeSchema, z.literal('none')]),
})

/** Why a worker's write was not accepted: the same for every write. */
export const fencingSchemas = [
  z.object({ outcome: z.literal('stale_lease') }),
  z.object({ outcome: z.literal('lease_expired') }),
  z.object({ outcome: z.literal('lease_revoked') }),
  z.object({ outcome: z.literal('attempt_timed_out') }),
  z.object({ outcome: z.literal('execution_not_active'), recorded: recordedSchema }),
] as const

export const renew: WireOperation<RenewLeases, { readonly items: readonly RenewOutcome[] }> = workerBatch({
  name: 'leases.renew',
  path: '/leases/renew',
  summary: 'Extend leases.',
  tag: 'leases',
  item: z.strictObject({ handle, leaseTtlMs }),
  outcome: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('renewed'), expiresAtMs: timeMs, cancelRequested: cancelRequestedSchema }),
    ...fencingSchemas,
  ]),
  readItem: (wire) => wire,
  writeItem: (item) => item,
})

export const delay: WireOperation<DelayLeases, { readonly items: readonly DelayOutcome[] }> = workerBatch({
  name: 'leases.delay',
  path: '/leases/delay',
  summary: 'Give leases back until a time; the same attempts go on then.',
  tag: 'leases',
  item: z.strictObject({ handle, untilMs: timeMs }),
  outcome: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('delayed'), untilMs: timeMs }),
    z.object({ outcome: z.literal('cancelled') }),
    ...fencingSchemas,
  ]),
  readItem: (wire) => wire,
  writeItem: (item) => item,
})

export const yieldLeases: WireOperation<YieldLeases, { readonly items: readonly YieldOutcome[] }> =
  workerBatch({
    name: 'leases.yield',
    path: '/leases/yield',
    summary: 'Hand back work that was not started.',
    tag: 'leases',
    item: z.strictObject({ handle }),
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.enum(['yielded', 'cancelled', 'attempt_has_effects']) }),
      ...fencingSchemas,
    ]),
    readItem: (wire) => wire,
    writeItem: (item) => item,
  })

/** What complete and fail share: they may claim in the same round trip. */
function finishing<Params extends { readonly next?: ClaimRequest | undefined }, Outcome>(
  batch: WireOperation<Params, { readonly items: readonly Outcome[] }>,
): WireOperation<Params, FinishResult<Outcome>> {
  const claimedField = z.object({ claimed: z.array(claimedSchema).describe('What `next` claimed.') })
  return {
    ...batch,
    schemas: { ...batch.schemas, answer: z.intersection(batch.schemas.answer, claimedField) },
    writeAnswer: ({ items, claimed }) => ({
      ...(batch.writeAnswer({ items }) as object),
      claimed: claimed.map(writeClaimed),
    }),
    readAnswer: (json) => ({
      ...batch.readAnswer(json),
      claimed: readReply(claimedField, json).claimed.map(readClaimed),
    }),
  }
}

const nextField = { next: claimSchema.optional().describe('Claim in the same round trip.') }
const finishEnvelope = {
  fields: nextField,
  readEnvelope: (
    wire: { next?: z.infer<typeof claimSchema> | undefined },
    call: WireCall,
  ): { readonly next?: ClaimRequest | undefined } => ({
    next: wire.next === undefined ? undefined : readClaim(wire.next, call.namespace),
  }),
  writeEnvelope: ({ next }: { readonly next?: ClaimRequest | undefined }) => ({
    next: next === undefined ? undefined : writeClaim(next),
  }),
}

export const complete: WireOperation<CompleteLeases, FinishResult<CompleteOutcome>> = finishing(
  workerBatch({
    name: 'leases.complete',
    path: '/leases/complete',
    summary: 'End attempts, and their executions, as success.',
    tag: 'leases',
    ...finishEnvelope,
    item: z.strictObject({ handle, ...resultFields }),
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.literal('completed'), late: z.boolean() }),
      ...fencingSchemas,
    ]),
    readItem: (wire) => ({
      handle: wire.handle,
      result: readPayload(wire.result, wire.resultBase64, 'result'),
    }),
    writeItem: (item: CompleteLeases['items'][number]) => {
      const { json, base64 } = writePayload(item.result)
      return { handle: item.handle, result: json ?? undefined, resultBase64: base64 }
    },
  }),
)

const retryWishSchema = z
  .union([
    z.enum(['policy', 'never']),
    z.strictObject({ atMs: timeMs.optional(), afterMs: whole(0, limits.durationMsMax).optional() }),
  ])
  .describe('`policy` (default), `never`, `{ atMs }` or `{ afterMs }`.')

const strictFailureSchema = z.strictObject({
  category: z.string(),
  message: z.string(),
  details: z.string().optional(),
})

export const fail: WireOperation<FailLeases, FinishResult<FailOutcome>> = finishing(
  workerBatch({
    name: 'leases.fail',
    path: '/leases/fail',
    summary: 'End attempts as failure; the retry policy decides what follows.',
    tag: 'leases',
    ...finishEnvelope,
    item: z.strictObject({ handle, failure: strictFailureSchema, retry: retryWishSchema.optional() }),
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.literal('retrying'), retryAtMs: timeMs, late: z.boolean() }),
      z.object({ outcome: z.literal('failed'), late: z.boolean() }),
      z.object({ outcome: z.literal('cancelled'), late: z.boolean() }),
      ...fencingSchemas,
    ]),
    readItem: (wire): FailLease => ({ ...wire, retry: readRetryWish(wire.retry) }),
    writeItem: (item: FailLease) => item,
  }),
)

function readRetryWish(wish: z.infer<typeof retryWishSchema> | undefined): FailLease['retry'] {
  if (typeof wish !== 'object') return wish
  const { atMs, afterMs } = wish
  if (atMs !== undefined && afterMs === undefined) return { atMs }
  if (afterMs !== undefined && atMs === undefined) return { afterMs }
  throw invalidParam('retry', 'must be policy, never, { atMs } or { afterMs }')
}

const revokeBody = z.strictObject({ reason: reasonField })
const revokeSchema = z.object({
  outcome: z.literal('revoked'),
  next: z.enum(['reclaimable', 'failed', 'cancelled']),
})

export const revoke: WireOperation<RevokeLease, RevokeOutcome> = {
  name: 'leases.revoke',
  method: 'POST',
  path: '/executions/{id}/revoke-lease',
  summary: 'Take a lease away, as if it had expired now.',
  tag: 'executions',
  schemas: { path: executionPath, body: revokeBody, answer: revokeSchema },
  refusals: ['execution_not_active'],
  writeRequest: ({ id, reason }) => ({ path: { id }, body: { reason } }),
  readRequest: (call) => ({
    params: {
      ...readWire(revokeBody, bodyOr(call)),
      namespace: call.namespace,
      id: readExecutionPath(call),
    },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(revokeSchema, json),
}
