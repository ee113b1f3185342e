import {
  type Budget,
  type BudgetSettings,
  mintBudgetId,
  mintQuotaId,
  mintUuid,
  type Page,
  type PageRequest,
  parseBudgetId,
  parseQuotaId,
  type Quota,
  type QuotaSettings,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import type { ClientCore } from './client-core.js'

/** What may be said of a new budget; by default nothing new starts after a hard breach, and nothing is reset by time. */
export type BudgetOptions = Pick<BudgetSettings, 'label' | 'limits'> &
  Partial<BudgetSettings> & {
    /** An id of your own (UUID): a repeat with it means the same budget. */
    readonly id?: string | undefined
    /** Default: a period from now. */
    readonly firstResetAtMs?: number | undefined
  }

/** Budgets of the client's namespace. */
export interface Budgets {
  /** Throws `budget_conflict` for an id that stands for another one. */
  create(options: BudgetOptions): Promise<Budget>
  /** Throws `budget_not_found`. */
  get(id: string): Promise<Budget>
  /** Newest first. */
  list(params?: PageRequest): Promise<Page<Budget>>
  /** Throws `budget_not_found`. */
  update(id: string, settings: Partial<BudgetSettings>): Promise<Budget>
  /** Begin a period now. A repeat under the same key resets nothing. Throws `budget_not_found`. */
  reset(
    id: string,
    options?: { readonly key?: string | undefined; readonly reason?: string | undefined },
  ): Promise<Budget>
}

/** What may be said of a new quota; by default what finds it full waits. */
export type QuotaOptions = Pick<QuotaSettings, 'label'> &
  Partial<QuotaSettings> & {
    /** An id of your own (UUID): a repeat with it means the same quota. */
    readonly id?: string | undefined
  }

/** Quotas of the client's namespace. */
export interface Quotas {
  /** Throws `quota_conflict` for an id that stands for another one. */
  create(options: QuotaOptions): Promise<Quota>
  /** With the counts of a key. Throws `quota_not_found`. */
  get(id: string, key?: string): Promise<Quota>
  /** Newest first, each with the counts of the empty key. */
  list(params?: PageRequest): Promise<Page<Quota>>
  /** Throws `quota_not_found`. */
  update(id: string, settings: Partial<QuotaSettings>): Promise<Quota>
}

export function createBudgets({ backend, namespace }: ClientCore): Budgets {
  const { budgets } = backend
  const named = (id: string) => ({ namespace, budgetId: parseBudgetId(id) })
  return {
    async create({ id = mintBudgetId(), firstResetAtMs, ...settings }) {
      const stated = { onHardBreach: 'block_new', resetPeriodMs: null, firstResetAtMs, ...settings } as const
      const answer = await callSafely(() => budgets.create({ ...named(id), ...stated }))
      if (answer.outcome === 'budget_conflict') throw refusalError(answer, id)
      return answer.budget
    },
    get: async (id) => (await callSafely(() => budgets.get(named(id)))).budget,
    list: (params = {}) => callSafely(() => budgets.list({ namespace, ...params })),
    update: async (id, settings) =>
      (await callSafely(() => budgets.update({ ...named(id), settings }))).budget,
    async reset(id, { key = mintUuid(), reason } = {}) {
      return (await callSafely(() => budgets.reset({ ...named(id), resetKey: key, reason }))).budget
    },
  }
}

export function createQuotas({ backend, namespace }: ClientCore): Quotas {
  const { quotas } = backend
  const named = (id: string) => ({ namespace, quotaId: parseQuotaId(id) })
  return {
    async create({ id = mintQuotaId(), ...settings }) {
      const stated = { rate: null, concurrency: null, strategy: 'queue', ...settings } as const
      const answer = await callSafely(() => quotas.create({ ...named(id), ...stated }))
      if (answer.outcome === 'quota_conflict') throw refusalError(answer, id)
      return answer.quota
    },
    get: async (id, key) => (await callSafely(() => quotas.get({ ...named(id), key }))).quota,
    list: (params = {}) => callSafely(() => quotas.list({ namespace, ...params })),
    update: async (id, settings) => (await callSafely(() => quotas.update({ ...named(id), settings }))).quota,
  }
}
