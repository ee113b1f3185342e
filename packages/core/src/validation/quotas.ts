import {
  type AcquireQuota,
  type CreateQuota,
  type GetQuota,
  type ListQuotas,
  type QuotaSettings,
  type QuotaUse,
  quotaStrategies,
  type ReleaseQuota,
  type UpdateQuota,
} from '../contract/quotas.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import { parseQuotaId } from '../ids/index.js'
import { limits } from '../limits.js'
import type { PartitionConfig } from '../partitions/index.js'
import {
  checkInteger,
  checkObject,
  checkOptionalInteger,
  checkOptionalText,
  checkText,
  checkWord,
  invalidParam,
} from './fields.js'
import { type CheckedHandle, checkHandles } from './leases.js'
import { checkScanRequest } from './scans.js'
import { checkPageRequest, checkScoped } from './scope.js'

export function checkCreateQuota(params: CreateQuota): void {
  checkScoped(params)
  parseQuotaId(params.quotaId)
  const { label, rate, concurrency, strategy } = params
  for (const [name, value] of Object.entries({ label, rate, concurrency, strategy }))
    if (value === undefined) throw invalidParam(name, 'must be stated')
  checkSettings(params)
}

export function checkGetQuota(params: GetQuota): void {
  checkScoped(params)
  parseQuotaId(params.quotaId)
  checkOptionalText(params.key, 'key', limits.quotaKeyBytesMax)
}

export function checkListQuotas(params: ListQuotas): void {
  checkScoped(params)
  checkPageRequest(params)
}

export function checkUpdateQuota(params: UpdateQuota): void {
  checkScoped(params)
  parseQuotaId(params.quotaId)
  checkObject(params.settings, 'settings')
  checkSettings(params.settings)
}

export function checkAcquireQuota(params: AcquireQuota): readonly CheckedHandle[] {
  return checkHandles(params, limits.acquireBatchMax, (item) => {
    checkUse(item)
    checkOptionalInteger(item.cost, 'cost', 0, limits.quotaUnitsMax)
  })
}

export function checkReleaseQuota(params: ReleaseQuota): readonly CheckedHandle[] {
  return checkHandles(params, limits.acquireBatchMax, checkUse)
}

/** Of the quota and the budget family. Answers the index of the partition. */
export function checkWakeParked(
  params: Parameters<typeof checkScanRequest>[0],
  counts: PartitionConfig,
): number {
  checkObject(params, '')
  const isBudget = typeof params.partition === 'string' && params.partition.startsWith('{b:')
  return checkScanRequest(params, counts, isBudget ? 'budget' : 'quota')
}

/** The error of a quota that is not there, or another namespace's. */
export function quotaNotFound(quotaId: string): EngineError {
  return engineError('quota_not_found', `there is no quota ${quotaId}`)
}

function checkUse({ quotaId, key, holderKey }: QuotaUse): void {
  parseQuotaId(quotaId)
  checkOptionalText(key, 'key', limits.quotaKeyBytesMax)
  checkText(holderKey, 'holderKey', limits.holderKeyBytesMax, 1)
}

function checkSettings(settings: { readonly [K in keyof QuotaSettings]?: QuotaSettings[K] | undefined }) {
  const { label, rate, concurrency, strategy } = settings
  if (label !== undefined) checkText(label, 'label', limits.labelBytesMax)
  if (rate !== undefined && rate !== null) {
    checkObject(rate, 'rate')
    checkInteger(rate.units, 'rate.units', 1, limits.quotaUnitsMax)
    checkInteger(rate.windowMs, 'rate.windowMs', 1, limits.durationMsMax)
  }
  if (concurrency !== null) checkOptionalInteger(concurrency, 'concurrency', 1, limits.quotaUnitsMax)
  if (strategy !== undefined) checkWord(strategy, 'strategy', quotaStrategies)
}
