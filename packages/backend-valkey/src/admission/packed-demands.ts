import { createHash } from 'node:crypto'
import {
  type Amounts,
  admissionKeyOf,
  type BudgetDemand,
  type BudgetId,
  type Demands,
  type ExecutionSpec,
  type QuotaDemand,
  type QuotaId,
  resolveDemands,
  sortAmounts,
} from '@flowfabric/core'
import { demandsFields as D, executionFields as X } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { listAt } from '../records/stored-execution.js'

/** `[line, quotas, budgets]` as `shared/demands.lua` reads it. */
export type PackedDemands = readonly [
  line: string,
  quotas: readonly (readonly [id: string, key: string, cost: number])[],
  budgets: readonly (readonly [id: string, estimate: PackedAmounts])[],
]

/** `[dimension, amount, …]`. */
export type PackedAmounts = readonly (string | number)[]

export function packDemands(spec: Pick<ExecutionSpec, 'quotas' | 'budgets'>): PackedDemands | undefined {
  if (spec.quotas === undefined && spec.budgets === undefined) return undefined
  const demands = resolveDemands(spec)
  const key = admissionKeyOf(demands)
  if (key === '') return undefined
  return [
    lineOf(key),
    demands.quotas.map(({ quotaId, key: of, cost }) => [quotaId, of, cost]),
    demands.budgets.map(({ budgetId, estimate }) => [budgetId, packAmounts(estimate)]),
  ]
}

/** An admission key as partitions name it. */
function lineOf(key: string): string {
  return createHash('sha1').update(key).digest('hex').slice(0, LINE_LENGTH)
}

const LINE_LENGTH = 20

export function packAmounts(amounts: Amounts): PackedAmounts {
  return Object.entries(amounts).flat()
}

export function readAmounts(list: unknown): Amounts {
  const flat = asList(list as PackedAmounts)
  const entries: [string, number][] = []
  for (let place = 1; place < flat.length; place += 2)
    entries.push([String(flat[place - 1]), Number(flat[place])])
  return sortAmounts(Object.fromEntries(entries))
}

/** What a stored execution asks for. */
export function demandsOf(fields: readonly unknown[]): Demands {
  const packed = listAt(fields, X.demands)
  if (packed === null) return noDemands
  return {
    quotas: asList(packed[D.quotas] as PackedDemands[1]).map(
      ([quotaId, key, cost]): QuotaDemand => ({ quotaId: quotaId as QuotaId, key, cost }),
    ),
    budgets: asList(packed[D.budgets] as PackedDemands[2]).map(
      ([budgetId, estimate]): BudgetDemand => ({
        budgetId: budgetId as BudgetId,
        estimate: readAmounts(estimate),
      }),
    ),
  }
}

const noDemands: Demands = { quotas: [], budgets: [] }

/** The line of a stored execution; '' for most. */
export function lineOfStored(fields: readonly unknown[]): string {
  const packed = listAt(fields, X.demands)
  return packed === null ? '' : String(packed[D.line])
}
