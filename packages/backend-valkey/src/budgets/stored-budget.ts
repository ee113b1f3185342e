import {
  type Budget,
  type BudgetId,
  type BudgetLimit,
  type BudgetSettings,
  breachLevels,
  type HardBreachRule,
  must,
  type Namespace,
  sortAmounts,
} from '@flowfabric/core'
import { readAmounts } from '../admission/packed-demands.js'
import { byTag, nameOfBudget, tagOfResource } from '../admission/resource-names.js'
import type { ValkeyContext } from '../context.js'
import { budgetFields as B } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { numberAt, textAt, timeAt } from '../records/stored-execution.js'

/** A budget, and whose it is. */
export interface StoredBudget {
  readonly namespace: Namespace
  readonly content: string
  readonly budget: Budget
}

type PackedLimit = [dimension: string, soft: number, hard: number]

/** By name; -1 stands for none. */
export function packLimits(of: BudgetSettings['limits']): PackedLimit[] {
  return Object.keys(of)
    .sort()
    .map((name) => {
      const { soft, hard } = must(of[name], 'a limit')
      return [name, soft ?? NONE, hard ?? NONE]
    })
}

const NONE = -1

function readLimits(packed: unknown): BudgetSettings['limits'] {
  const limit = ([name, soft, hard]: PackedLimit): [string, BudgetLimit] => [
    name,
    { soft: soft === NONE ? null : soft, hard: hard === NONE ? null : hard },
  ]
  return Object.fromEntries(asList(packed as readonly PackedLimit[]).map(limit))
}

/** As `budgets.tell` tells it; `undefined` where there is none. */
export function readBudget(told: readonly unknown[]): StoredBudget | undefined {
  const [id, row, used, reserved, breach, waiting] = asList(told)
  if (id === undefined) return undefined
  const fields = row as readonly unknown[]
  return {
    namespace: textAt(fields, B.ns) as Namespace,
    content: textAt(fields, B.content),
    budget: {
      id: id as BudgetId,
      label: textAt(fields, B.label),
      limits: readLimits(fields[B.limits]),
      onHardBreach: textAt(fields, B.rule) as HardBreachRule,
      resetPeriodMs: timeAt(fields, B.every),
      createdAtMs: numberAt(fields, B.created),
      used: sortAmounts(readAmounts(used)),
      reserved: sortAmounts(readAmounts(reserved)),
      breach: must(breachLevels[Number(breach)], 'a level'),
      period: numberAt(fields, B.period),
      periodStartedAtMs: numberAt(fields, B.started),
      nextResetAtMs: timeAt(fields, B.next),
      waiting: Number(waiting),
    },
  }
}

/** Those that are there, of whatever namespace: one call for each partition. */
export async function readBudgets(
  ctx: Pick<ValkeyContext, 'invoke' | 'partitions'>,
  ids: readonly BudgetId[],
): Promise<ReadonlyMap<BudgetId, StoredBudget>> {
  const found = new Map<BudgetId, StoredBudget>()
  const groups = await byTag(ids, (id) => tagOfResource(ctx, nameOfBudget(id)))
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      const { reply } = await ctx.invoke({ name: 'budgets_read', tag, args: [[...group]] })
      group.forEach((id, place) => {
        const stored = readBudget(reply[place] ?? [])
        if (stored !== undefined) found.set(id, stored)
      })
    }),
  )
  return found
}
