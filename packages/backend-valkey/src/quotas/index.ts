import {
  checkAcquireQuota,
  checkCreateQuota,
  checkGetQuota,
  checkListQuotas,
  checkReleaseQuota,
  checkScanRequest,
  checkUpdateQuota,
  checkWakeParked,
  type Quota,
  type QuotaId,
  type QuotaOperations,
  type QuotaReconcileItem,
  type QuotaSettings,
  quotaNotFound,
} from '@flowfabric/core'
import { carryDue } from '../admission/due.js'
import { pageNewestFirst } from '../admission/newest-first.js'
import { reviewIn } from '../admission/review.js'
import { wakeAndForget, wakeIn } from '../admission/wake.js'
import type { ValkeyContext } from '../context.js'
import { quotaFields as Q } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'
import type { JobMaker } from '../operations/index.js'
import { acquireSlots, releaseSlots } from './by-hand.js'
import { homeOfQuota, type QuotaRow, readQuotaRow, syncQuota } from './copies.js'
import { countKeys, settingsOf } from './counts.js'

export function createQuotas(ctx: ValkeyContext, jobs: JobMaker): QuotaOperations {
  return {
    async create(params) {
      checkCreateQuota(params)
      const { quotaId, namespace } = params
      const content = JSON.stringify(contentOf(params))
      const { reply } = await ctx.invoke({
        name: 'quotas_create',
        tag: await homeOfQuota(ctx, quotaId),
        args: [quotaId, packSettings(params, namespace, content)],
      })
      const [isNew, told] = reply
      const row = told as unknown as QuotaRow
      const isSame = row[Q.ns] === namespace && row[Q.content] === content
      if (!isNew && !isSame) return { outcome: 'quota_conflict' }
      const quota = await viewQuota(ctx, quotaId, row, '')
      return { outcome: isNew ? 'created' : 'duplicate', quota }
    },

    async get(params) {
      checkGetQuota(params)
      const { quotaId, namespace, key = '' } = params
      const row = await readQuotaRow(ctx, quotaId)
      if (row?.[Q.ns] !== namespace) throw quotaNotFound(quotaId)
      return { outcome: 'found', quota: await viewQuota(ctx, quotaId, row, key) }
    },

    async list(params) {
      checkListQuotas(params)
      const { quota } = await ctx.partitions()
      return pageNewestFirst(params, tagsOf('quota', quota), async (tag, createdAtMs, id, max) => {
        const args = [params.namespace, createdAtMs, id, max] as const
        const { reply } = await ctx.invoke({ name: 'quotas_list', tag, args: [...args] })
        return viewQuotas(
          ctx,
          asList(reply).map(([quotaId, row]) => ({
            id: quotaId as QuotaId,
            row: row as unknown as QuotaRow,
            key: '',
          })),
        )
      })
    },

    async update(params) {
      checkUpdateQuota(params)
      const { quotaId, namespace, settings } = params
      const home = await homeOfQuota(ctx, quotaId)
      const stated = Object.entries(settings).flatMap(([field, value]) =>
        value === undefined ? [] : [field],
      )
      const { label = '', rate = null, concurrency = null, strategy = 'queue' } = settings
      const { reply } = await ctx.invoke({
        name: 'quotas_update',
        tag: home,
        args: [
          quotaId,
          namespace,
          stated,
          packSettings({ label, rate, concurrency, strategy }, namespace, ''),
          SYNC_AFTER_MS,
        ],
      })
      const told = asList(reply)
      if (told.length === 0) throw quotaNotFound(quotaId)
      const row = told as unknown as QuotaRow
      await syncQuota(ctx, quotaId, row)
      const { quota } = await ctx.partitions()
      await Promise.all(tagsOf('quota', quota).map((tag) => wakeAndForget(ctx, tag)))
      return { outcome: 'updated', quota: await viewQuota(ctx, quotaId, row, '') }
    },

    async acquire(params) {
      return acquireSlots(ctx, params, checkAcquireQuota(params))
    },

    async release(params) {
      return releaseSlots(ctx, params, checkReleaseQuota(params))
    },

    async wakeParked(params) {
      const index = checkWakeParked(params, await ctx.partitions())
      const isBudget = params.partition.startsWith('{b:')
      const tag = `${isBudget ? 'b' : 'q'}:${index}`
      await carryDue(ctx, jobs, tag, params.max)
      const { woken, more } = await wakeIn(ctx, tag, params.max)
      const nextDueAtMs = isBudget ? 0 : await nextLook(ctx, tag)
      return {
        items: woken.map(({ by, count }) => ({ outcome: 'woken' as const, by, count })),
        more,
        ...(nextDueAtMs > 0 && { nextDueAtMs }),
      }
    },

    async reconcile(params) {
      const index = checkScanRequest(params, await ctx.partitions(), 'quota')
      const { findings, more } = await reviewIn(ctx, `q:${index}`, params.max)
      const items = findings.flatMap(({ outcome, by, executionId, finding }): QuotaReconcileItem[] =>
        by.kind === 'quota' ? [{ outcome, quotaId: by.quotaId, key: by.key, executionId, finding }] : [],
      )
      return { items, more }
    },
  }
}

/** Whoever changes a quota brings the change to all partitions; if it did not within this, `wakeParked` does. */
const SYNC_AFTER_MS = 1_000

async function nextLook(ctx: ValkeyContext, tag: string): Promise<number> {
  const { reply } = await ctx.invoke({ name: 'maintenance_pulse_quotas', tag, args: [] })
  return reply[1]
}

function contentOf({ label, rate, concurrency, strategy }: QuotaSettings): readonly unknown[] {
  return [label, rate === null ? null : [rate.units, rate.windowMs], concurrency, strategy]
}

function packSettings(
  { label, rate, concurrency, strategy }: QuotaSettings,
  namespace: string,
  content: string,
): QuotaRow {
  return [
    0,
    namespace,
    0,
    content,
    label,
    rate?.units ?? 0,
    rate?.windowMs ?? 0,
    concurrency ?? 0,
    strategy,
    '',
  ]
}

interface Shown {
  readonly id: QuotaId
  readonly row: QuotaRow
  readonly key: string
}

async function viewQuotas(ctx: ValkeyContext, shown: readonly Shown[]): Promise<readonly Quota[]> {
  const counts = await countKeys(
    ctx,
    shown.map(({ id, row, key }) => ({ id, key, cost: 1, row })),
  )
  return shown.map(({ id, row, key }, place) => ({
    id,
    ...settingsOf(row),
    createdAtMs: row[Q.created],
    key,
    held: 0,
    unitsInWindow: 0,
    waiting: 0,
    retryAtMs: null,
    ...counts[place],
  }))
}

async function viewQuota(ctx: ValkeyContext, id: QuotaId, row: QuotaRow, key: string): Promise<Quota> {
  const [quota] = await viewQuotas(ctx, [{ id, row, key }])
  if (quota === undefined) throw quotaNotFound(id)
  return quota
}
