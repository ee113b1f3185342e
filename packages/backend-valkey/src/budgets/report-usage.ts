import {
  type BudgetId,
  breachLevels,
  budgetNotFound,
  type CheckedHandle,
  type ItemError,
  isEngineError,
  limits,
  must,
  partitionIndexOf,
  type ReportUsage,
  type ReportUsageOutcome,
  unknownDimension,
  usageOverflow,
  uuidOf,
} from '@flowfabric/core'
import { packAmounts, readAmounts } from '../admission/packed-demands.js'
import { byTag, nameOfBudget, tagOfResource } from '../admission/resource-names.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { ItemArg } from '../library/invoke.js'
import type { JobMaker } from '../operations/index.js'
import { carryAnnouncements } from './announcements.js'

/** Charges of one call at most. */
const ITEMS_MAX = 256

interface Charge {
  readonly index: number
  readonly namespace: string
}

/** Who spent it is looked up first, in the executions' partitions; then it is charged, in the budgets'. */
export async function reportUsage(
  ctx: ValkeyContext,
  jobs: JobMaker,
  params: ReportUsage,
  handles: readonly CheckedHandle[],
): Promise<{ readonly items: readonly ReportUsageOutcome[] }> {
  const answers: ReportUsageOutcome[] = handles.map(
    (handle): ReportUsageOutcome =>
      isEngineError(handle) ? { outcome: 'error', error: handle } : { outcome: 'stale_lease' },
  )
  const spenders = await namespacesOf(ctx, handles)
  const charges = handles.flatMap((_, index): Charge[] => {
    const namespace = spenders.get(index)
    const isTheirs = namespace !== undefined && (params.namespaces as readonly string[]).includes(namespace)
    return isTheirs ? [{ index, namespace }] : []
  })
  const itemOf = (index: number) => must(params.items[index], 'an item')
  const groups = await byTag(charges, ({ index }) => tagOfResource(ctx, nameOfBudget(itemOf(index).budgetId)))
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      for (let from = 0; from < group.length; from += ITEMS_MAX) {
        const part = group.slice(from, from + ITEMS_MAX)
        const { reply } = await ctx.invoke({
          name: 'budgets_report',
          tag,
          args: [
            part.map(({ index, namespace }): ItemArg<'budgets_report', 0> => {
              const { budgetId, usageKey, amounts } = itemOf(index)
              const handle = must(handles[index], 'a handle')
              const { executionId, leaseId } = isEngineError(handle) ? noHandle : handle
              return [budgetId, namespace, executionId, leaseId, usageKey, [...packAmounts(amounts)]]
            }),
            limits.amountSumMax,
          ],
        })
        const [told, announcements] = reply
        part.forEach(({ index }, place) => {
          answers[index] = toOutcome(told[place] ?? [], itemOf(index).budgetId)
        })
        await carryAnnouncements(ctx, jobs, tag, asList(announcements)).catch(() => {})
      }
    }),
  )
  return { items: answers }
}

const noHandle = { executionId: '', leaseId: '' }

/** Of each handle whose attempt is there. */
async function namespacesOf(
  ctx: ValkeyContext,
  handles: readonly CheckedHandle[],
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>()
  const { flow } = await ctx.partitions()
  const known = handles.flatMap((handle, index) =>
    isEngineError(handle) || partitionIndexOf(handle.executionId) >= flow ? [] : [{ handle, index }],
  )
  const groups = await byTag(known, ({ handle }) => `fp:${partitionIndexOf(handle.executionId)}`)
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      const { reply } = await ctx.invoke({
        name: 'admission_spender',
        tag,
        args: [
          group.map(
            ({ handle: { executionId, attemptIndex, leaseId, epoch } }): ItemArg<'admission_spender', 0> => [
              uuidOf(executionId),
              attemptIndex,
              leaseId,
              epoch,
            ],
          ),
        ],
      })
      group.forEach(({ index }, place) => {
        const namespace = reply[place]
        if (namespace !== undefined && namespace !== '') found.set(index, namespace)
      })
    }),
  )
  return found
}

function toOutcome(told: readonly unknown[], id: BudgetId): ReportUsageOutcome {
  const [word, first, second] = told
  switch (word) {
    case 'ok':
      return { outcome: must(breachLevels[Number(first)], 'a level'), used: readAmounts(second) }
    case 'duplicate':
      return { outcome: 'duplicate' }
    case 'not_found':
      return failed(budgetNotFound(id))
    case 'unknown_dimension':
      return failed(unknownDimension(String(first)))
    default:
      return failed(usageOverflow(String(first), Number(second)))
  }
}

function failed(error: ItemError['error']): ItemError {
  return { outcome: 'error', error }
}
