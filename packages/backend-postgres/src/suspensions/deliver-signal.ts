import {
  type ConditionState,
  checkDeliverSignal,
  type DeliverSignal,
  type DeliverSignalOutcome,
  engineError,
  judgeSignal,
  limits,
  must,
  partitionIndexOf,
  type ResumeCondition,
  type SignalId,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceEnds, type EndFacts } from '../leases/after-end.js'
import { callWithClaims, type StoreFunction } from '../leases/call-with-claims.js'
import type { Claimer } from '../leases/claim.js'
import type { Invited } from '../leases/invitations.js'
import { toSignalId } from './ids.js'
import { type Moving, type ToJudge, untilJudged, type Verdict, verdictOf } from './judging.js'
import type { RememberedCondition } from './remembered-conditions.js'
import { announceBehind, waitpointNotFound } from './waitpoints.js'

interface Delivered extends Moving {
  readonly outcome: DeliverSignalOutcome['outcome'] | 'waitpoint_not_found' | 'opaque'
  /** Of the signal that came before under the key. */
  readonly id?: string
}

type Deliver = (params: DeliverSignal) => Promise<DeliverSignalOutcome>

/** Deliveries to one waitpoint wait for each other, so that only processes compete. */
export function createDeliverer(ctx: PostgresContext, claimer: Claimer): Deliver {
  const last = new Map<string, Promise<unknown>>()
  return async (params) => {
    checkDeliverSignal(params, await ctx.partitions())
    const { waitpointId } = params
    const delivered = (last.get(waitpointId) ?? Promise.resolve()).then(() => deliver(ctx, claimer, params))
    const settled = delivered.catch(() => {})
    last.set(waitpointId, settled)
    try {
      return await delivered
    } finally {
      if (last.get(waitpointId) === settled) last.delete(waitpointId)
    }
  }
}

async function deliver(
  ctx: PostgresContext,
  claimer: Claimer,
  params: DeliverSignal,
): Promise<DeliverSignalOutcome> {
  const { waitpointId, signalId } = params
  const remembered = ctx.conditions.at(uuidOf(waitpointId))
  const guessed = remembered && guess(ctx, params, remembered)
  let invited = await inviteIfItResumes(ctx, claimer, remembered, guessed)
  let claimedByLane: ReadonlyMap<number, number> = new Map()
  const delivered = await untilJudged<Delivered>(
    async (verdict, state) => {
      const along = invited
      invited = undefined
      const answered = await callDeliver(ctx, claimer, params, verdict, state, along)
      if (along !== undefined) claimedByLane = answered.claimedByLane
      return answered.answer
    },
    (condition, before, toJudge) =>
      judge(params, condition, before, (toJudge as ToJudge & { readonly sequence: number }).sequence),
    guessed,
  )
  if (delivered.moved) announceEnds(ctx, [withoutClaimed(delivered.moved, claimedByLane)])
  else if (delivered.outcome !== 'accepted') void announceBehind(ctx, waitpointId)
  return toOutcome(params, signalId, delivered)
}

/** What was claimed in the same transaction need not be announced to others. */
function withoutClaimed(moved: EndFacts, claimedByLane: ReadonlyMap<number, number>): EndFacts {
  const isTaken = moved.lane_id !== null && claimedByLane.has(moved.lane_id)
  return isTaken ? { ...moved, is_eligible: false } : moved
}

/** A claim that waits for what this signal makes claimable, as far as this process can know. */
async function inviteIfItResumes(
  ctx: PostgresContext,
  claimer: Claimer,
  remembered: RememberedCondition | undefined,
  guessed: Guess | undefined,
): Promise<Invited | undefined> {
  const laneId = remembered?.laneId ?? null
  if (laneId === null || guessed?.verdict.holds !== true) return undefined
  return claimer.invite(await ctx.catalog.lane(laneId))
}

interface Guess {
  readonly verdict: Pick<Verdict, 'holds'>
  readonly state: string
}

type Judged = Guess | { readonly answer: { readonly outcome: 'opaque' | 'not_matched' } }

function judge(
  { waitpointId, name, source, payload }: DeliverSignal,
  condition: ResumeCondition,
  before: ConditionState,
  sequence: number,
): Judged {
  const { state, verdict } = judgeSignal(condition, before, { sequence, waitpointId, name, source, payload })
  if (verdict === 'opaque' || verdict === 'not_matched') return { answer: { outcome: verdict } }
  const { state: text, ...judged } = verdictOf(condition, state)
  return {
    verdict: Object.assign(judged, { sequence, counted: verdict === 'counted' }),
    state: text,
  }
}

/** The verdict on what this process remembers; a refusal is only ever the store's, as what stands may be something else. */
function guess(ctx: PostgresContext, params: DeliverSignal, remembered: RememberedCondition) {
  const { condition, state, revision, of, executionId } = remembered
  const sequence = ctx.conditions.nextSequence(executionId)
  ctx.conditions.delivered(uuidOf(params.waitpointId), executionId, sequence)
  const judged = judge(params, condition, state, sequence)
  return 'answer' in judged ? undefined : { ...judged, verdict: { ...judged.verdict, revision, of } }
}

const deliverFunction: StoreFunction = {
  name: 'deliver_signal',
  types: [
    'integer',
    'uuid',
    'text',
    'uuid',
    'text',
    'bytea',
    'text',
    'text',
    'bigint',
    'integer',
    'jsonb',
    'text',
  ],
  columns: ['deliver_signal'],
}

async function callDeliver(
  ctx: PostgresContext,
  claimer: Claimer,
  params: DeliverSignal,
  verdict: object | null,
  state: string | null,
  invited: Invited | undefined,
): Promise<{
  readonly answer: Delivered | ToJudge
  readonly claimedByLane: ReadonlyMap<number, number>
}> {
  const values = [
    partitionIndexOf(params.waitpointId),
    uuidOf(params.waitpointId),
    params.namespace,
    uuidOf(params.signalId),
    params.name,
    params.payload,
    params.source,
    params.idempotencyKey,
    limits.idempotencyTtlMs,
    limits.earlySignalsMax,
    verdict === null ? null : JSON.stringify(verdict),
    state,
  ]
  const requests = invited === undefined ? [] : [invited.request]
  try {
    const { rows, claims, claimedByLane } = await callWithClaims<{
      readonly deliver_signal: Delivered | ToJudge
    }>(ctx, claimer, { fn: deliverFunction, values }, requests)
    invited?.settle(must(claims[0], 'the answer to a claim'))
    return { answer: must(rows[0], 'the answer to a signal').deliver_signal, claimedByLane }
  } catch (fault) {
    invited?.release()
    throw fault
  }
}

function toOutcome(
  params: DeliverSignal,
  signalId: SignalId,
  { outcome, id }: Delivered,
): DeliverSignalOutcome {
  switch (outcome) {
    case 'accepted':
    case 'satisfied':
    case 'buffered':
      return { outcome, signalId }
    case 'duplicate':
      return { outcome, signalId: toSignalId(partitionIndexOf(params.waitpointId), must(id, 'its signal')) }
    case 'opaque':
      throw engineError('payload_opaque', 'The condition looks into the payload, and that is no JSON')
    case 'waitpoint_not_found':
      throw waitpointNotFound(params.waitpointId)
    default:
      return { outcome }
  }
}
