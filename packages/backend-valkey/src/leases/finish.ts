import {
  type CheckedHandle,
  type ClaimedExecution,
  type ClaimRequest,
  type CompleteLeases,
  type CompleteOutcome,
  checkComplete,
  checkFail,
  type FailLease,
  type FailLeases,
  type FailOutcome,
  type FencingRefusal,
  type FinishResult,
  type ItemError,
  isEngineError,
  type LeaseHandle,
  must,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import { gather } from '../channel/gathering.js'
import type { EndItem, EndReply } from '../channel/work-items.js'
import type { ValkeyContext } from '../context.js'
import type { Claimer } from './claimer.js'
import { isOfItem, toItemError } from './item-error.js'
import { readRefusal } from './refusal.js'

/** Ends of attempts: those of a tick and partition in one call, with the claim that comes along. */
export function createFinisher(ctx: ValkeyContext, claimer: Claimer) {
  const finish = async <Outcome>(
    handles: readonly CheckedHandle[],
    namespaces: readonly string[],
    endOf: (index: number) => EndItem['end'],
    next: ClaimRequest | undefined,
  ): Promise<{
    readonly items: readonly (Outcome | ItemError)[]
    readonly claimed: readonly ClaimedExecution[]
  }> => {
    const { flow } = await ctx.partitions()
    // Joins see the ends of one call together.
    const group = {}
    const gathering = gather<Outcome | ItemError>(handles.length, toItemError)
    const touched: number[] = []
    for (const [index, handle] of handles.entries()) {
      if (isEngineError(handle)) {
        gathering.answer(index, { outcome: 'error', error: handle })
        continue
      }
      const partition = partitionIndexOf(handle.executionId)
      // No partition, and so no execution.
      if (partition >= flow) {
        gathering.answer(index, { outcome: 'stale_lease' } as Outcome)
        continue
      }
      touched.push(partition)
      gathering.ask<EndReply>(
        index,
        (answering) =>
          ctx.channel(partition).end(toEndItem(handle, namespaces, endOf(index)), group, answering),
        (reply) => toOutcome(reply) as Outcome,
      )
    }
    // Behind its own ends, so that it sees what they freed.
    const claimed = next === undefined ? [] : claimer.claimWith(next, touched, gathering.ended)
    const [outcomes, leases] = await Promise.all([gathering.all, orNothing(claimed)])
    return { items: outcomes, claimed: leases }
  }
  return {
    complete: async (params: CompleteLeases): Promise<FinishResult<CompleteOutcome>> =>
      finish(
        checkComplete(params),
        params.namespaces,
        (index) => ({ op: 'c', result: must(params.items[index], 'an item').result }),
        params.next,
      ),
    fail: async (params: FailLeases): Promise<FinishResult<FailOutcome>> =>
      finish(
        checkFail(params),
        params.namespaces,
        (index) => packFailure(must(params.items[index], 'an item')),
        params.next,
      ),
  }
}

/**
 * A claim that met something unreadable took nothing, and takes nothing back. One whose answer was lost may have got
 * something: then the whole call fails, and its repeat answers both.
 */
async function orNothing(
  claimed: readonly ClaimedExecution[] | Promise<readonly ClaimedExecution[]>,
): Promise<readonly ClaimedExecution[]> {
  try {
    return await claimed
  } catch (fault) {
    if (isEngineError(fault) && isOfItem(fault)) return []
    throw fault
  }
}

function toEndItem(handle: LeaseHandle, namespaces: readonly string[], end: EndItem['end']): EndItem {
  return {
    id: uuidOf(handle.executionId),
    attemptIndex: handle.attemptIndex,
    leaseId: handle.leaseId,
    epoch: handle.epoch,
    namespaces,
    end,
  }
}

function packFailure({ failure, retry }: FailLease): EndItem['end'] {
  const { category, message, details } = failure
  return {
    op: 'f',
    failure: details === undefined ? [category, message] : [category, message, details],
    wish: retry ?? 'policy',
  }
}

/** What the item is answered: an end, or why it was refused. */
export function toOutcome(reply: EndReply): CompleteOutcome | FailOutcome | FencingRefusal {
  const [outcome, at, late] = reply
  switch (outcome) {
    case 'completed':
    case 'failed':
    case 'cancelled':
      return { outcome, late: late === true }
    case 'retrying':
      return { outcome, retryAtMs: Number(at), late: late === true }
    default:
      return readRefusal(reply)
  }
}
