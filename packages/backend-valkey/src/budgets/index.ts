import {
  type Budget,
  type BudgetId,
  type BudgetOperations,
  type BudgetReconcileItem,
  budgetNotFound,
  checkCreateBudget,
  checkGetBudget,
  checkListBudgets,
  checkReportUsage,
  checkResetBudget,
  checkScanRequest,
  checkUpdateBudget,
  limits,
  type Namespace,
} from '@flowfabric/core'
import { pageNewestFirst } from '../admission/newest-first.js'
import { nameOfBudget, tagOfResource } from '../admission/resource-names.js'
import { reviewIn } from '../admission/review.js'
import { wakeAndForget } from '../admission/wake.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { tagsOf } from '../maintenance/prepare.js'
import type { JobMaker } from '../operations/index.js'
import { carryAnnouncements } from './announcements.js'
import { reportUsage } from './report-usage.js'
import { packLimits, readBudget, readBudgets, type StoredBudget } from './stored-budget.js'

export function createBudgets(ctx: ValkeyContext, jobs: JobMaker): BudgetOperations {
  return {
    async create(params) {
      checkCreateBudget(params)
      const { budgetId, namespace, label, onHardBreach, resetPeriodMs, firstResetAtMs } = params
      const packed = packLimits(params.limits)
      const content = JSON.stringify([label, packed, onHardBreach, resetPeriodMs, firstResetAtMs ?? null])
      const { reply } = await ctx.invoke({
        name: 'budgets_create',
        tag: await tagOf(ctx, budgetId),
        args: [
          budgetId,
          [namespace, 0, content, label, packed, onHardBreach, resetPeriodMs ?? 0],
          firstResetAtMs ?? FOLLOWS_FROM_PERIOD,
        ],
      })
      const [isNew, told] = reply
      const stored = found(told, budgetId)
      if (isNew) return { outcome: 'created', budget: stored.budget }
      const isSame = stored.namespace === namespace && stored.content === content
      return isSame ? { outcome: 'duplicate', budget: stored.budget } : { outcome: 'budget_conflict' }
    },

    async get(params) {
      checkGetBudget(params)
      return { outcome: 'found', budget: await getBudget(ctx, params.namespace, params.budgetId) }
    },

    async list(params) {
      checkListBudgets(params)
      const { budget } = await ctx.partitions()
      return pageNewestFirst(params, tagsOf('budget', budget), async (tag, createdAtMs, id, max) => {
        const args = [params.namespace, createdAtMs, id, max] as const
        const { reply } = await ctx.invoke({ name: 'budgets_list', tag, args: [...args] })
        return asList(reply).flatMap((told) => readBudget(told)?.budget ?? [])
      })
    },

    async update(params) {
      checkUpdateBudget(params)
      const { budgetId, namespace, settings } = params
      const { label = '', limits: of = {}, onHardBreach = '', resetPeriodMs } = settings
      const tag = await tagOf(ctx, budgetId)
      const stated = Object.entries(settings).flatMap(([field, value]) =>
        value === undefined ? [] : [field],
      )
      const { reply } = await ctx.invoke({
        name: 'budgets_update',
        tag,
        args: [budgetId, namespace, stated, label, packLimits(of), onHardBreach, resetPeriodMs ?? 0],
      })
      const { budget } = found(reply[0], budgetId)
      await follow(ctx, jobs, tag, [reply[1]])
      return { outcome: 'updated', budget }
    },

    async reportUsage(params) {
      return reportUsage(ctx, jobs, params, checkReportUsage(params))
    },

    async reset(params) {
      checkResetBudget(params)
      const { budgetId, namespace, resetKey } = params
      const tag = await tagOf(ctx, budgetId)
      const { reply } = await ctx.invoke({
        name: 'budgets_reset',
        tag,
        args: [budgetId, namespace, resetKey, limits.idempotencyTtlMs],
      })
      const [isNew, told, announcement] = reply
      const { budget } = found(told, budgetId)
      await follow(ctx, jobs, tag, [announcement])
      return { outcome: isNew ? 'reset' : 'duplicate', budget }
    },

    async resetDue(params) {
      const index = checkScanRequest(params, await ctx.partitions(), 'budget')
      const tag = `b:${index}`
      const { reply } = await ctx.invoke({ name: 'budgets_reset_due', tag, args: [params.max] })
      const [reset, more, nextDueMs, announcements] = reply
      await follow(ctx, jobs, tag, asList(announcements))
      const items = asList(reset).map(([id, nextResetAtMs]) => ({
        outcome: 'reset' as const,
        budgetId: id as BudgetId,
        nextResetAtMs,
      }))
      return { items, more, ...(nextDueMs > 0 && { nextDueAtMs: nextDueMs }) }
    },

    async reconcile(params) {
      const index = checkScanRequest(params, await ctx.partitions(), 'budget')
      const { findings, more } = await reviewIn(ctx, `b:${index}`, params.max)
      const items = findings.flatMap(({ outcome, by, executionId, finding }): BudgetReconcileItem[] =>
        by.kind === 'budget' ? [{ outcome, budgetId: by.budgetId, executionId, finding }] : [],
      )
      return { items, more }
    },
  }
}

const FOLLOWS_FROM_PERIOD = -1

const tagOf = (ctx: ValkeyContext, id: BudgetId) => tagOfResource(ctx, nameOfBudget(id))

function found(told: readonly unknown[], id: BudgetId): StoredBudget {
  const stored = readBudget(told)
  if (stored === undefined) throw budgetNotFound(id)
  return stored
}

async function getBudget(ctx: ValkeyContext, namespace: Namespace, id: BudgetId): Promise<Budget> {
  const stored = (await readBudgets(ctx, [id])).get(id)
  if (stored?.namespace !== namespace) throw budgetNotFound(id)
  return stored.budget
}

/** What a change brings about elsewhere. If this fails, or nobody is left to do it, `wakeParked` does. */
async function follow(
  ctx: ValkeyContext,
  jobs: JobMaker,
  tag: string,
  announcements: readonly string[],
): Promise<void> {
  const said = announcements.filter((text) => text !== '')
  await Promise.all([carryAnnouncements(ctx, jobs, tag, said).catch(() => {}), wakeAndForget(ctx, tag)])
}
