import {
  type Amounts,
  admissionKeyOf,
  type BudgetDemand,
  type BudgetId,
  budgetNotFound,
  type Demands,
  type ExecutionSpec,
  type PartitionConfig,
  partitionOfBudget,
  type QuotaDemand,
  type QuotaId,
  quotaKeyPartition,
  quotaNotFound,
  resolveDemands,
  unknownDimension,
} from '@flowfabric/core'
import type { Database } from '../db/database.js'

/** What an execution names, as `execution_info.demands` keeps it: each with the partition in which it is counted. */
export interface StoredDemands {
  readonly q: readonly (readonly [id: QuotaId, key: string, cost: number, home: number])[]
  readonly b: readonly (readonly [id: BudgetId, estimate: Amounts, home: number])[]
}

export interface KeyedDemands {
  readonly admissionKey: string
  readonly demands: StoredDemands
}

type Naming = Pick<ExecutionSpec, 'quotas' | 'budgets'>

export function namesDemands({ quotas, budgets }: Naming): boolean {
  return (quotas?.length ?? 0) + (budgets?.length ?? 0) > 0
}

/** `undefined` for work that names neither a quota nor a budget. */
export function storedDemandsOf(spec: Naming, counts: PartitionConfig): KeyedDemands | undefined {
  if (!namesDemands(spec)) return undefined
  const resolved = resolveDemands(spec)
  return {
    admissionKey: admissionKeyOf(resolved),
    demands: {
      q: resolved.quotas.map(({ quotaId, key, cost }) => [
        quotaId,
        key,
        cost,
        quotaKeyPartition(quotaId, key, counts.quota),
      ]),
      b: resolved.budgets.map(({ budgetId, estimate }) => [
        budgetId,
        estimate,
        partitionOfBudget(budgetId, counts.budget),
      ]),
    },
  }
}

const none: Demands = { quotas: [], budgets: [] }

export function toDemands(stored: StoredDemands | null): Demands {
  if (stored === null) return none
  return {
    quotas: stored.q.map(([quotaId, key, cost]): QuotaDemand => ({ quotaId, key, cost })),
    budgets: stored.b.map(([budgetId, estimate]): BudgetDemand => ({ budgetId, estimate })),
  }
}

/** Knows which quotas and budgets there are: none ever goes. */
export interface DemandCheck {
  /** Throws for what is not there, or another namespace's. One query for those that are not known yet. */
  require(namespace: string, specs: readonly Naming[]): Promise<void>
  /** The budget's dimensions have changed. */
  forget(budgetId: BudgetId): void
}

const rememberedMax = 10_000

function requireKnown(
  { quotas = [], budgets = [] }: Naming,
  dimensionsOf: (id: string) => ReadonlySet<string> | undefined,
): void {
  for (const { quotaId } of quotas) if (dimensionsOf(quotaId) === undefined) throw quotaNotFound(quotaId)
  for (const { budgetId, estimate = {} } of budgets) {
    const dimensions = dimensionsOf(budgetId)
    if (dimensions === undefined) throw budgetNotFound(budgetId)
    const unknown = Object.keys(estimate).find((name) => !dimensions.has(name))
    if (unknown !== undefined) throw unknownDimension(unknown)
  }
}

export function createDemandCheck(db: Database): DemandCheck {
  /** By `namespace/id`; of a quota, no dimensions. */
  const known = new Map<string, ReadonlySet<string>>()

  const load = async (namespace: string, ids: readonly string[]): Promise<void> => {
    const rows = await db.query<{ id: string; dimensions: readonly string[] | null }>(
      `select id, null::text[] as dimensions from ff.quota where id = any ($1::uuid[]) and namespace = $2
       union all
       select id, array(select jsonb_object_keys(limits)) from ff.budget where id = any ($1::uuid[]) and namespace = $2`,
      [ids, namespace],
    )
    if (known.size > rememberedMax) known.clear()
    for (const { id, dimensions } of rows) known.set(`${namespace}/${id}`, new Set(dimensions ?? []))
  }

  return {
    async require(namespace, specs) {
      const quotas = specs.flatMap((spec) => (spec.quotas ?? []).map(({ quotaId }) => quotaId))
      const budgets = specs.flatMap((spec) => spec.budgets ?? [])
      const dimensionsOf = (id: string) => known.get(`${namespace}/${id}`)
      const isKnown = ({ budgetId, estimate = {} }: (typeof budgets)[number]) => {
        const dimensions = dimensionsOf(budgetId)
        return dimensions !== undefined && Object.keys(estimate).every((name) => dimensions.has(name))
      }
      const missing = [
        ...quotas.filter((id) => dimensionsOf(id) === undefined),
        ...budgets.filter((budget) => !isKnown(budget)).map(({ budgetId }) => budgetId),
      ]
      if (missing.length > 0) await load(namespace, [...new Set(missing)])
      // Of the first execution that names what is not there, as on every store.
      for (const spec of specs) requireKnown(spec, dimensionsOf)
    },
    forget: (budgetId) => {
      for (const name of known.keys()) if (name.endsWith(budgetId)) known.delete(name)
    },
  }
}
