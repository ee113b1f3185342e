import type {
  CreateWaitpoint,
  DeliverSignal,
  FindWaitpoint,
  GetWaitpoint,
  ListSignals,
  ListWaitpoints,
  NewWaitpoint,
  Suspend,
  SuspendItem,
} from '../contract/suspensions.js'
import { suspensionReasons, suspensionTimeoutBehaviours } from '../contract/suspensions.js'
import { engineError } from '../errors/engine-error.js'
import { decodeHandle, type LeaseHandle } from '../handle.js'
import {
  type ExecutionId,
  parseSignalId,
  parseSuspensionId,
  parseWaitpointId,
  partitionIndexOf,
} from '../ids/index.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import { type PartitionConfig, requirePartitionIndex } from '../partitions/index.js'
import { checkCondition } from './conditions.js'
import {
  checkBatch,
  checkInteger,
  checkObject,
  checkOptionalBoolean,
  checkOptionalInteger,
  checkPayload,
  checkText,
  checkWord,
  invalidParam,
} from './fields.js'
import { type CheckedHandle, checkHandles } from './leases.js'
import { checkExecutionId, checkOwnPartition, checkPageRequest, checkScoped } from './scope.js'

export function checkSuspend(params: Suspend, counts: PartitionConfig): readonly CheckedHandle[] {
  return checkHandles(params, limits.suspendBatchMax, (item, { executionId }) => {
    checkOwnPartition(parseSuspensionId(item.suspensionId), executionId)
    checkWord(item.reason, 'reason', suspensionReasons)
    checkCondition(item.condition, executionId, counts)
    if (item.waitpoints !== undefined) checkNewWaitpoints(item.waitpoints, executionId)
    checkWhen(item)
  })
}

/** Answers the worker's handle taken apart, if the call carries one. */
export function checkCreateWaitpoint(
  params: CreateWaitpoint,
  counts: PartitionConfig,
): LeaseHandle | undefined {
  checkScoped(params)
  checkNewWaitpoint(params, checkExecutionId(params.executionId, counts))
  if (params.handle === undefined) return undefined
  const handle = decodeHandle(params.handle)
  if (handle.executionId === params.executionId) return handle
  throw invalidParam('handle', 'must be of the execution')
}

/** For `closeWaitpoint`. */
export function checkGetWaitpoint(params: GetWaitpoint, counts: PartitionConfig): void {
  checkScoped(params)
  checkFindWaitpoint(params, counts)
}

export function checkFindWaitpoint({ waitpointId }: FindWaitpoint, counts: PartitionConfig): void {
  requirePartitionIndex(partitionIndexOf(parseWaitpointId(waitpointId)), counts.flow)
}

export function checkListWaitpoints(params: ListWaitpoints, counts: PartitionConfig): void {
  checkScoped(params)
  checkExecutionId(params.executionId, counts)
  checkPageRequest(params)
}

export function checkDeliverSignal(params: DeliverSignal, counts: PartitionConfig): void {
  checkGetWaitpoint(params, counts)
  checkOwnPartition(parseSignalId(params.signalId), params.waitpointId)
  requireFreeName(params.name, 'signal')
  checkPayload(params.payload, 'payload')
  checkText(params.idempotencyKey, 'idempotencyKey', limits.idempotencyKeyBytesMax, 1)
  if (params.source !== null) checkText(params.source, 'source', limits.signalSourceBytesMax, 1)
}

export function checkListSignals(params: ListSignals, counts: PartitionConfig): void {
  checkListWaitpoints(params, counts)
  if (params.waitpointId !== undefined) parseWaitpointId(params.waitpointId)
  if (params.suspensionId !== undefined) parseSuspensionId(params.suspensionId)
}

function checkNewWaitpoints(waitpoints: readonly NewWaitpoint[], execution: ExecutionId): void {
  checkBatch(waitpoints, 'waitpoints', limits.newWaitpointsMax)
  const names = new Set<string>()
  const ids = new Set<string>()
  for (const waitpoint of waitpoints) {
    checkObject(waitpoint, 'waitpoints')
    checkNewWaitpoint(waitpoint, execution)
    const { waitpointId: id, name } = waitpoint
    if (ids.has(id)) throw engineError('duplicate_id', `Waitpoint ${id} occurs twice`, { id })
    if (names.has(name)) throw engineError('duplicate_name', `Two waitpoints have the name ${name}`, { name })
    ids.add(id)
    names.add(name)
  }
}

function checkNewWaitpoint({ waitpointId, name, expiresAtMs }: NewWaitpoint, execution: ExecutionId): void {
  checkOwnPartition(parseWaitpointId(waitpointId), execution)
  requireFreeName(name, 'waitpoint')
  checkOptionalInteger(expiresAtMs, 'expiresAtMs', 0, limits.timeMsMax)
}

function checkWhen({ timeout, resumePolicy }: SuspendItem): void {
  if (timeout !== undefined) {
    checkObject(timeout, 'timeout')
    checkInteger(timeout.afterMs, 'timeout.afterMs', 0, limits.durationMsMax)
    checkWord(timeout.behaviour, 'timeout.behaviour', suspensionTimeoutBehaviours)
  }
  if (resumePolicy !== undefined) {
    checkObject(resumePolicy, 'resumePolicy')
    checkOptionalInteger(resumePolicy.delayMs, 'resumePolicy.delayMs', 0, limits.durationMsMax)
    checkOptionalBoolean(resumePolicy.closeWaitpoints, 'resumePolicy.closeWaitpoints')
  }
}
