import type { Failure, WorkerScoped } from '../contract/conventions.js'
import type {
  CompleteLeases,
  DelayLeases,
  FailLeases,
  Handle,
  RenewLeases,
  RevokeLease,
  YieldLeases,
} from '../contract/leases.js'
import { type EngineError, isEngineError } from '../errors/engine-error.js'
import { decodeHandle, type LeaseHandle } from '../handle.js'
import { limits } from '../limits.js'
import type { PartitionConfig } from '../partitions/index.js'
import { checkLeaseTtl, checkNext } from './claim.js'
import { checkGetExecution } from './executions.js'
import {
  checkBatch,
  checkInteger,
  checkObject,
  checkOptionalInteger,
  checkOptionalText,
  checkPayload,
  checkReason,
  checkText,
  invalidParam,
} from './fields.js'
import { isCategory } from './policies.js'
import { checkWorkerScoped } from './scope.js'

/** What a check makes of one item that carries a handle: the handle taken apart, or the item's error. */
export type CheckedHandle = LeaseHandle | EngineError

export function checkRenew(params: RenewLeases): readonly CheckedHandle[] {
  return checkHandles(params, limits.renewBatchMax, (item) => checkLeaseTtl(item.leaseTtlMs))
}

export function checkComplete(params: CompleteLeases): readonly CheckedHandle[] {
  checkNext(params.next)
  return checkHandles(params, limits.completeBatchMax, (item) => checkPayload(item.result, 'result'))
}

export function checkFail(params: FailLeases): readonly CheckedHandle[] {
  checkNext(params.next)
  return checkHandles(params, limits.failBatchMax, (item) => {
    checkFailure(item.failure)
    checkRetryWish(item.retry)
  })
}

export function checkDelay(params: DelayLeases): readonly CheckedHandle[] {
  return checkHandles(params, limits.delayBatchMax, (item) => {
    checkInteger(item.untilMs, 'untilMs', 0, limits.timeMsMax)
  })
}

export function checkYield(params: YieldLeases): readonly CheckedHandle[] {
  return checkHandles(params, limits.yieldBatchMax, () => undefined)
}

export function checkRevoke(params: RevokeLease, counts: PartitionConfig): void {
  checkGetExecution(params, counts)
  checkReason(params.reason)
}

/**
 * Checks a worker's batch: the handle first, then the rest of the item. Answers for each item the handle taken apart,
 * or its error; throws what concerns the whole call.
 */
export function checkHandles<Item extends { readonly handle: Handle }>(
  params: WorkerScoped & { readonly items: readonly Item[] },
  max: number,
  checkRest: (item: Item, handle: LeaseHandle) => void,
): readonly CheckedHandle[] {
  checkWorkerScoped(params)
  checkBatch(params.items, 'items', max)
  return params.items.map((item) => {
    try {
      checkObject(item, '')
      const handle = decodeHandle(item.handle)
      checkRest(item, handle)
      return handle
    } catch (error) {
      if (isEngineError(error)) return error
      throw error
    }
  })
}

function checkFailure(failure: Failure): void {
  checkObject(failure, 'failure')
  if (!isCategory(failure.category)) {
    throw invalidParam('failure.category', 'must be 1…128 characters without control characters')
  }
  checkText(failure.message, 'failure.message', limits.failureMessageBytesMax)
  checkOptionalText(failure.details, 'failure.details', limits.payloadBytesMax)
}

function checkRetryWish(retry: unknown): void {
  if (retry === undefined || retry === 'policy' || retry === 'never') return
  if (typeof retry === 'object' && retry !== null) {
    const { atMs, afterMs } = retry as { readonly atMs?: unknown; readonly afterMs?: unknown }
    checkOptionalInteger(atMs, 'retry.atMs', 0, limits.timeMsMax)
    checkOptionalInteger(afterMs, 'retry.afterMs', 0, limits.durationMsMax)
    if ((atMs === undefined) !== (afterMs === undefined)) return
  }
  throw invalidParam('retry', 'must be policy, never, { atMs } or { afterMs }')
}
