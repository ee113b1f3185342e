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
import type { ValkeyContext } from '../context.js'
import { createIdempotencyKeys, type IdempotencyKeys } from '../idempotency/keys.js'
import type { Claimer } from '../leases/claimer.js'
import { toSubmitItem, toSubmitOutcome } from './submission.js'

type SubmitOne = (namespace: Namespace, item: ExecutionSubmission) => Promise<SubmitExecutionOutcome>

/** Accepts solo executions; what comes in one tick for one partition goes in one call, with the claims that wait there. */
export function createSubmit(ctx: ValkeyContext, claimer: Claimer) {
  const submitPlain: SubmitOne = async (namespace, item) => {
    const { lane, kind, capabilities = [] } = item
    const route = ctx.catalogue.intern({ namespace, lane, kind, capabilities })
    const reply = await ctx.channel(partitionIndexOf(item.id)).submit(toSubmitItem(item, route))
    return toSubmitOutcome(item, namespace, reply)
  }
  const submitKeyed = createSubmitKeyed(createIdempotencyKeys(ctx), submitPlain)

  return async (params: SubmitExecutions): Promise<SubmitExecutionsResult> => {
    const errors = checkSubmitExecutions(params, await ctx.partitions())
    const { namespace, next } = params
    const outcomes = Promise.all(
      params.items.map(async (item, index): Promise<SubmitExecutionOutcome> => {
        const error = errors[index]
        if (error !== undefined) return { outcome: 'error', error }
        try {
          return await (item.idempotencyKey === undefined ? submitPlain : submitKeyed)(namespace, item)
        } catch (fault) {
          if (isItsOwn(fault)) return { outcome: 'error', error: fault }
          throw fault
        }
      }),
    )
    if (next === undefined) return { items: await outcomes, claimed: [] }
    const good = params.items.filter((_, index) => errors[index] === undefined)
    const isKeyed = good.some(({ idempotencyKey }) => idempotencyKey !== undefined)
    // Behind the items in the queue, so that it sees them; under keys they come a round trip later.
    const partitions = isKeyed
      ? (await outcomes).flatMap(partitionOf)
      : good.map(({ id }) => partitionIndexOf(id))
    // A claim that fails takes nothing back: who waits with it tries again.
    const claimed = claimer.claimWith(next, partitions).catch(() => [])
    return { items: await outcomes, claimed: await claimed }
  }
}

/** The recorded key says by which id it is submitted. */
function createSubmitKeyed(keys: IdempotencyKeys, submit: SubmitOne): SubmitOne {
  return async (namespace, item) => {
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
      const outcome = await submit(namespace, { ...item, id: reservation.target as ExecutionId })
      if (outcome.outcome !== 'accepted' && outcome.outcome !== 'duplicate') await keys.forget(reservation)
      return outcome
    } catch (fault) {
      // What may have been carried out is relied on. Otherwise it's as if it had not been asked for; who asks again hears
      // why it fails better than why this does.
      if (isItsOwn(fault) || isEngineError(fault, 'store_full'))
        await keys.forget(reservation).catch(() => {})
      throw fault
    }
  }
}

/** Of the item, not of the store, and nothing was done. */
function isItsOwn(fault: unknown): fault is Extract<SubmitExecutionOutcome, { outcome: 'error' }>['error'] {
  return isEngineError(fault) && (fault.kind === 'validation' || fault.kind === 'corruption')
}

function partitionOf(outcome: SubmitExecutionOutcome): readonly number[] {
  return 'id' in outcome ? [partitionIndexOf(outcome.id)] : []
}
