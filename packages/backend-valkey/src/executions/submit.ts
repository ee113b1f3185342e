import {
  checkSubmitExecutions,
  type ExecutionId,
  type ExecutionSubmission,
  hashInput,
  isEngineError,
  type Namespace,
  partitionIndexOf,
  type SubmitExecutionOutcome,
  type SubmitExecutions,
  type SubmitExecutionsResult,
} from '@flowfabric/core'
import { asksForAny, requireDemands } from '../admission/require-demands.js'
import { type Answering, gather } from '../channel/gathering.js'
import type { SubmitReply } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import { createIdempotencyKeys, type IdempotencyKeys } from '../idempotency/keys.js'
import type { Claimer } from '../leases/claimer.js'
import { isOfItem, toItemError } from '../leases/item-error.js'
import { toSubmitItem, toSubmitOutcome } from './submission.js'

/** Accepts solo executions; what comes in one tick for one partition goes in one call, with the claims that wait there. */
export function createSubmit(ctx: ValkeyContext, claimer: Claimer) {
  const send: SendOne = (namespace, item, answering) => {
    const { lane, kind, capabilities = anyCapabilities } = item
    const route = ctx.catalogue.intern({ namespace, lane, kind, capabilities })
    ctx.channel(partitionIndexOf(item.id)).submit(toSubmitItem(item, route), answering)
  }
  const submitKeyed = createSubmitKeyed(createIdempotencyKeys(ctx), send)

  return async (params: SubmitExecutions): Promise<SubmitExecutionsResult> => {
    const { namespace, next } = params
    const errors = await withDemandErrors(ctx, params, checkSubmitExecutions(params, await ctx.partitions()))
    const gathering = gather<SubmitExecutionOutcome>(params.items.length, toItemError)
    for (const [index, item] of params.items.entries()) {
      const error = errors[index]
      if (error !== undefined) gathering.answer(index, { outcome: 'error', error })
      else if (item.idempotencyKey === undefined) {
        gathering.ask<SubmitReply>(
          index,
          (answering) => send(namespace, item, answering),
          (reply) => toSubmitOutcome(item, namespace, reply),
        )
      } else {
        gathering.ask<SubmitExecutionOutcome>(
          index,
          ({ resolve, reject }) => void submitKeyed(namespace, item).then(resolve, reject),
          (outcome) => outcome,
        )
      }
    }
    const outcomes = gathering.all
    if (next === undefined) return { items: await outcomes, claimed: [] }
    const good = params.items.filter((_, index) => errors[index] === undefined)
    const isKeyed = good.some(({ idempotencyKey }) => idempotencyKey !== undefined)
    // Behind the items in the queue, so that it sees them; under keys they come a round trip later.
    const partitions = isKeyed
      ? (await outcomes).flatMap(partitionOf)
      : good.map(({ id }) => partitionIndexOf(id))
    // A claim that fails takes nothing back: who waits with it tries again.
    const claimed = claimer.claimWith(next, partitions, gathering.ended).catch(() => [])
    return { items: await outcomes, claimed: await claimed }
  }
}

/** And of each item that names a quota, a budget or a dimension that is not there. Costs nothing where none names any. */
async function withDemandErrors(
  ctx: ValkeyContext,
  { namespace, items }: SubmitExecutions,
  errors: ReturnType<typeof checkSubmitExecutions>,
): Promise<ReturnType<typeof checkSubmitExecutions>> {
  if (!items.some((item, index) => errors[index] === undefined && asksForAny(item))) return errors
  return Promise.all(
    items.map(async (item, index) => {
      if (errors[index] !== undefined) return errors[index]
      try {
        await requireDemands(ctx, namespace, [item])
        return undefined
      } catch (fault) {
        if (isEngineError(fault) && (fault.kind === 'not_found' || fault.kind === 'validation')) return fault
        throw fault
      }
    }),
  )
}

type SendOne = (namespace: Namespace, item: ExecutionSubmission, answering: Answering<SubmitReply>) => void

const anyCapabilities: readonly string[] = []

/** The recorded key says by which id it is submitted. */
function createSubmitKeyed(keys: IdempotencyKeys, send: SendOne) {
  return async (namespace: Namespace, item: ExecutionSubmission): Promise<SubmitExecutionOutcome> => {
    const reservation = await keys.reserve({
      namespace,
      key: item.idempotencyKey ?? '',
      ttlMs: item.idempotencyTtlMs,
      target: item.id,
      kind: item.kind,
      content: item.inputHash ?? hashInput(item.input),
    })
    if (reservation === 'conflict') return { outcome: 'idempotency_conflict' }
    try {
      const reserved = { ...item, id: reservation.target as ExecutionId }
      const reply = await new Promise<SubmitReply>((resolve, reject) =>
        send(namespace, reserved, { resolve, reject }),
      )
      const outcome = toSubmitOutcome(reserved, namespace, reply)
      if (outcome.outcome !== 'accepted' && outcome.outcome !== 'duplicate') await keys.forget(reservation)
      return outcome
    } catch (fault) {
      // What may have been carried out is relied on. Otherwise it's as if it had not been asked for; who asks again hears
      // why it fails better than why this does.
      const isItsOwn = isEngineError(fault) && isOfItem(fault)
      if (isItsOwn || isEngineError(fault, 'store_full')) await keys.forget(reservation).catch(() => {})
      throw fault
    }
  }
}

function partitionOf(outcome: SubmitExecutionOutcome): readonly number[] {
  return 'id' in outcome ? [partitionIndexOf(outcome.id)] : []
}
