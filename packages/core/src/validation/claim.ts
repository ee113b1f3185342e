import type { ClaimRequest } from '../contract/leases.js'
import { isClaimId, isInstanceId, parseClaimId, parseInstanceId } from '../ids/index.js'
import { limits } from '../limits.js'
import { isKind, isLaneId, isWorkerId, parseKind, parseLaneId, parseWorkerId } from '../names.js'
import { checkCapabilities } from './execution-spec.js'
import { checkInteger, checkList, checkOptionalInteger } from './fields.js'
import { checkWorkerScoped } from './scope.js'

export function checkClaim(params: ClaimRequest): void {
  checkWorkerScoped(params)
  if (!isClaimId(params.claimId)) parseClaimId(params.claimId)
  if (!isWorkerId(params.workerId)) parseWorkerId(params.workerId)
  if (!isInstanceId(params.instanceId)) parseInstanceId(params.instanceId)
  checkServed(params)
  checkInteger(params.max, 'max', 1, limits.claimBatchMax)
  checkLeaseTtl(params.leaseTtlMs)
  checkOptionalInteger(params.waitMs, 'waitMs', 0, limits.waitMsMax)
}

/** What a worker says that it serves, in a claim and at its registration. */
export function checkServed(params: Pick<ClaimRequest, 'lanes' | 'kinds' | 'capabilities'>): void {
  checkList(params.lanes, 'lanes', limits.claimLanesMax, 1)
  for (const lane of params.lanes) if (!isLaneId(lane)) parseLaneId(lane)
  checkList(params.kinds, 'kinds', limits.claimKindsMax, 1)
  for (const kind of params.kinds) if (!isKind(kind)) parseKind(kind)
  checkCapabilities(params.capabilities)
}

/** A claim that goes along with another operation. */
export function checkNext(next: ClaimRequest | undefined): void {
  if (next !== undefined) checkClaim(next)
}

export function checkLeaseTtl(leaseTtlMs: unknown): void {
  checkInteger(leaseTtlMs, 'leaseTtlMs', limits.leaseTtlMsMin, limits.leaseTtlMsMax)
}
