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
import { announceEnds } from '../leases/after-end.js'
import { toSignalId } from './ids.js'
import { type Moving, type ToJudge, untilJudged, verdictOf } from './judging.js'
import type { RememberedCondition } from './remembered-conditions.js'
import { announceBehind, waitpointNotFound } from './waitpoints.js'

interface Delivered extends Moving {
  readonly outcome: DeliverSignalOutcome['outcome'] | 'waitpoint_not_found' | 'opaque'
  /** Of the signal that came before under the key. */
  readonly id?: string
}

type Deliver = (params: DeliverSignal) => Promise<DeliverSignalOutcome>

/** Deliveries to one waitpoint wait for each other, so that only processes compete. */
export function createDeliverer(ctx: PostgresContext): Deliver {
  const last = new Map<string, Promise<unknown>>()
  return async (params) => {
    checkDeliverSignal(params, await ctx.partitions())
    const { waitpointId } = params
    const delivered = (last.get(waitpointId) ?? Promise.resolve()).then(() => deliver(ctx, params))
    const settled = delivered.catch(() => {})
    last.set(waitpointId, settled)
    try {
      return await delivered
    } finally {
      if (last.get(waitpointId) === settled) last.delete(waitpointId)
    }
  }
}

async function deliver(ctx: PostgresContext, params: DeliverSignal): Promise<DeliverSignalOutcome> {
  const { waitpointId, signalId } = params
  const remembered = ctx.conditions.at(uuidOf(waitpointId))
  const delivered = await untilJudged<Delivered>(
    (verdict, state) => callDeliver(ctx, params, verdict, state),
    (condition, before, toJudge) =>
      judge(params, condition, before, (toJudge as ToJudge & { readonly sequence: number }).sequence),
    remembered && guess(ctx, params, remembered),
  )
  if (delivered.moved) announceEnds(ctx, [delivered.moved])
  else if (delivered.outcome !== 'accepted') void announceBehind(ctx, waitpointId)
  return toOutcome(params, signalId, delivered)
}

type Judged =
  | { readonly verdict: object; readonly state: string }
  | { readonly answer: { readonly outcome: 'opaque' | 'not_matched' } }

function judge(
  { waitpointId, name, source, payload }: DeliverSignal,
  condition: ResumeCondition,
  before: ConditionState,
  sequence: number,
): Judged {
  const { state, verdict } = judgeSignal(condition, before, { sequence, waitpointId, name, source, payload })
  if (verdict === 'opaque' || verdict === 'not_matched') return { answer: { outcome: verdict } }
  const { state: text, ...judged } = verdictOf(condition, state)
  return { verdict: { ...judged, sequence, counted: verdict === 'counted' }, state: text }
}

/** The verdict on what this process remembers; a refusal is only ever the store's, as what stands may be something else. */
function guess(ctx: PostgresContext, params: DeliverSignal, remembered: RememberedCondition) {
  const { condition, state, revision, of, executionId } = remembered
  const sequence = ctx.conditions.nextSequence(executionId)
  ctx.conditions.delivered(uuidOf(params.waitpointId), executionId, sequence)
  const judged = judge(params, condition, state, sequence)
  return 'answer' in judged ? undefined : { ...judged, verdict: { ...judged.verdict, revision, of } }
}

async function callDeliver(
  ctx: PostgresContext,
  params: DeliverSignal,
  verdict: object | null,
  state: string | null,
): Promise<Delivered | ToJudge> {
  const [row] = await ctx.db.call<{ answer: Delivered | ToJudge }>(
    `select ff.deliver_signal($1::integer, $2::uuid, $3, $4::uuid, $5, $6::bytea, $7, $8, $9::bigint, $10::integer, $11::jsonb, $12)
       as answer`,
    [
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
    ],
  )
  return must(row, 'the answer to a signal').answer
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
