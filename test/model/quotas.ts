import {
  type AcquireQuotaOutcome,
  checkAcquireQuota,
  checkCreateQuota,
  checkGetQuota,
  checkListQuotas,
  checkReleaseQuota,
  checkScanRequest,
  checkUpdateQuota,
  checkWakeParked,
  type EngineError,
  isEngineError,
  type Quota,
  type QuotaOperations,
  type QuotaSettings,
  quotaShortage,
  type ReleaseQuotaOutcome,
} from '@flowfabric/core'
import { findQuota, forgetUnits, holderName, keyOf, quotaFacts, takeSlot, takeUnits } from './holdings.js'
import { orError } from './or-error.js'
import { pageNewestFirst } from './pages.js'
import { countWaiters, nextRetryIn, wake } from './parking.js'
import type { ExecutionRecord, QuotaRecord } from './records.js'
import { statedOf } from './settings.js'
import { type Model, operate } from './store.js'
import { write } from './worker-writes.js'

export function createQuotas(model: Model): QuotaOperations {
  return {
    create: (params) =>
      operate(model, () => {
        checkCreateQuota(params)
        const settings = settingsOf(params)
        const content = JSON.stringify(settings)
        const present = model.quotas.get(params.quotaId)
        if (present !== undefined) {
          const isSame = present.namespace === params.namespace && present.content === content
          if (!isSame) return { outcome: 'quota_conflict' as const }
          return { outcome: 'duplicate' as const, quota: viewQuota(model, present, '') }
        }
        const quota: QuotaRecord = {
          id: params.quotaId,
          namespace: params.namespace,
          createdAtMs: model.clock.nowMs(),
          content,
          settings,
          keys: new Map(),
        }
        model.quotas.set(quota.id, quota)
        return { outcome: 'created' as const, quota: viewQuota(model, quota, '') }
      }),

    get: (params) =>
      operate(model, () => {
        checkGetQuota(params)
        const quota = findQuota(model, params.namespace, params.quotaId)
        return { outcome: 'found' as const, quota: viewQuota(model, quota, params.key ?? '') }
      }),

    list: (params) =>
      operate(model, () => {
        checkListQuotas(params)
        const own = [...model.quotas.values()].filter(({ namespace }) => namespace === params.namespace)
        const page = pageNewestFirst(own, params)
        return { ...page, items: page.items.map((quota) => viewQuota(model, quota, '')) }
      }),

    update: (params) =>
      operate(model, () => {
        checkUpdateQuota(params)
        const quota = findQuota(model, params.namespace, params.quotaId)
        forgetUnits(model, quota)
        quota.settings = settingsOf({ ...quota.settings, ...statedOf(params.settings) })
        return { outcome: 'updated' as const, quota: viewQuota(model, quota, '') }
      }),

    acquire: (params) =>
      operate(model, () => {
        const handles = checkAcquireQuota(params)
        const items = params.items.map((item, index) =>
          write(model, params.namespaces, handles[index], 'acquire', ({ x }) => acquire(model, x, item)),
        )
        return { items }
      }),

    release: (params) =>
      operate(model, () => {
        const handles = checkReleaseQuota(params)
        const items = params.items.map((item, index) =>
          write(model, params.namespaces, handles[index], 'acquire', ({ x }) => release(model, x, item)),
        )
        return { items }
      }),

    wakeParked: (params) =>
      operate(model, () => {
        checkWakeParked(params, model.partitions)
        const woken = wake(model, params.partition, params.max)
        const nextDueAtMs = nextRetryIn(model, params.partition)
        return { ...woken, ...(nextDueAtMs === null ? {} : { nextDueAtMs }) }
      }),

    // Here what ends frees what it held in the same step: nothing can be left over.
    reconcile: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions, 'quota')
        return { items: [], more: false }
      }),
  }
}

function settingsOf({ label, rate, concurrency, strategy }: QuotaSettings): QuotaSettings {
  const window = rate === null ? null : { units: rate.units, windowMs: rate.windowMs }
  return { label, rate: window, concurrency, strategy }
}

type Use = Parameters<QuotaOperations['acquire']>[0]['items'][number]

function acquire(
  model: Model,
  x: ExecutionRecord,
  { quotaId, key = '', holderKey, cost = 1 }: Use,
): Exclude<AcquireQuotaOutcome, { outcome: 'error'; error: EngineError }> | ItemRefusal {
  const quota = orError(() => findQuota(model, x.namespace, quotaId))
  if (isEngineError(quota)) return { outcome: 'error', error: quota }
  if (keyOf(quota, key).holders.has(holderName(x, holderKey))) return { outcome: 'already_acquired' }
  const facts = quotaFacts(model, quota, key, cost)
  const shortage = quotaShortage(facts, true)
  if (shortage !== null) {
    return { outcome: 'quota_exceeded', retryAtMs: shortage === 'rate' ? facts.retryAtMs : null }
  }
  takeSlot(model, quota, key, x, holderKey, takeUnits(model, quota, key, cost))
  return { outcome: 'acquired' }
}

function release(
  model: Model,
  x: ExecutionRecord,
  { quotaId, key = '', holderKey }: Use,
): Exclude<ReleaseQuotaOutcome, { outcome: 'error'; error: EngineError }> | ItemRefusal {
  const quota = orError(() => findQuota(model, x.namespace, quotaId))
  if (isEngineError(quota)) return { outcome: 'error', error: quota }
  const isHeld = keyOf(quota, key).holders.delete(holderName(x, holderKey))
  return { outcome: isHeld ? 'released' : 'not_held' }
}

interface ItemRefusal {
  readonly outcome: 'error'
  readonly error: EngineError
}

function viewQuota(model: Model, quota: QuotaRecord, key: string): Quota {
  const { held, unitsInWindow, retryAtMs } = quotaFacts(model, quota, key, 1)
  return {
    id: quota.id,
    ...quota.settings,
    createdAtMs: quota.createdAtMs,
    key,
    held,
    unitsInWindow,
    waiting: countWaiters(model, { kind: 'quota', quotaId: quota.id, key }),
    retryAtMs,
  }
}
