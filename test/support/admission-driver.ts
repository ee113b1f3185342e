import {
  type AcquireQuotaOutcome,
  type Amounts,
  type Budget,
  type BudgetId,
  type BudgetSettings,
  type ClaimedExecution,
  type ExecutionId,
  type ExecutionSubmission,
  type Handle,
  makePartitionTag,
  mintBudgetId,
  mintQuotaId,
  must,
  type PartitionTag,
  parseLaneId,
  partitionOfBudget,
  type Quota,
  type QuotaId,
  type QuotaSettings,
  quotaKeyPartition,
  type ReleaseQuotaOutcome,
  type ReportUsageOutcome,
} from '@flowfabric/core'
import { submitOne } from './builders.js'
import type { TestStore } from './use-store.js'
import { WorkerDriver } from './worker-driver.js'

/** Quotas and budgets of a test, by hand. The last ones made are those that are meant when none is named. */
export class AdmissionDriver {
  readonly store: TestStore
  readonly worker: WorkerDriver
  #quotaId: QuotaId | undefined
  #budgetId: BudgetId | undefined

  constructor(store: TestStore) {
    this.store = store
    this.worker = new WorkerDriver(store)
  }

  get quotas() {
    return this.store.backend.quotas
  }

  get budgets() {
    return this.store.backend.budgets
  }

  async quota(settings: Partial<QuotaSettings> = {}): Promise<QuotaId> {
    const quotaId = mintQuotaId()
    this.#quotaId = quotaId
    await this.quotas.create({
      namespace: this.store.namespace,
      quotaId,
      label: 'a quota',
      rate: null,
      concurrency: null,
      strategy: 'queue',
      ...settings,
    })
    return quotaId
  }

  /** With one dimension, `tokens`, unless told otherwise. */
  async budget(
    hard: number | null,
    settings: Partial<BudgetSettings> & { readonly firstResetAtMs?: number } = {},
  ): Promise<BudgetId> {
    const budgetId = mintBudgetId()
    this.#budgetId = budgetId
    await this.budgets.create({
      namespace: this.store.namespace,
      budgetId,
      label: 'a budget',
      limits: { tokens: { soft: null, hard } },
      onHardBreach: 'block_new',
      resetPeriodMs: null,
      ...settings,
    })
    return budgetId
  }

  async readQuota(key = '', quotaId = this.quotaId): Promise<Quota> {
    return (await this.quotas.get({ namespace: this.store.namespace, quotaId, key })).quota
  }

  async readBudget(budgetId = this.budgetId): Promise<Budget> {
    return (await this.budgets.get({ namespace: this.store.namespace, budgetId })).budget
  }

  get quotaId(): QuotaId {
    return must(this.#quotaId, 'a quota')
  }

  get budgetId(): BudgetId {
    return must(this.#budgetId, 'a budget')
  }

  /** An execution that names the last quota, with this key and cost. */
  async submitQuota(
    { key, cost }: { readonly key?: string; readonly cost?: number } = {},
    more: Partial<ExecutionSubmission> = {},
  ): Promise<ExecutionId> {
    return submitOne(this.store, { quotas: [{ quotaId: this.quotaId, key, cost }], ...more })
  }

  /** An execution that names the last budget, with this estimate of tokens. */
  async submitBudget(tokens?: number, more: Partial<ExecutionSubmission> = {}): Promise<ExecutionId> {
    const estimate = tokens === undefined ? undefined : { tokens }
    return submitOne(this.store, { budgets: [{ budgetId: this.budgetId, estimate }], ...more })
  }

  async claimIds(max = 10): Promise<readonly ExecutionId[]> {
    return (await this.worker.claim({ max })).map(({ executionId }) => executionId)
  }

  async claimAll(max = 10): Promise<readonly ClaimedExecution[]> {
    return this.worker.claim({ max })
  }

  /** Takes a slot of the last quota by an execution of another lane. */
  async fill(key?: string): Promise<Handle> {
    const lane = parseLaneId('fillers')
    await this.submitQuota({ ...(key !== undefined && { key }) }, { lane })
    return (await this.worker.claimOne({ lanes: [lane] })).handle
  }

  async spend(
    handle: Handle,
    amounts: Amounts | number,
    usageKey = 'once',
    budgetId = this.budgetId,
  ): Promise<ReportUsageOutcome> {
    const { items } = await this.budgets.reportUsage({
      namespaces: [this.store.namespace],
      items: [
        {
          handle,
          budgetId,
          usageKey,
          amounts: typeof amounts === 'number' ? { tokens: amounts } : amounts,
        },
      ],
    })
    return must(items[0], 'an answer')
  }

  async acquire(
    handle: Handle,
    holderKey = 'own',
    more: { readonly key?: string; readonly cost?: number } = {},
  ): Promise<AcquireQuotaOutcome> {
    const { items } = await this.quotas.acquire({
      namespaces: [this.store.namespace],
      items: [{ handle, quotaId: this.quotaId, holderKey, ...more }],
    })
    return must(items[0], 'an answer')
  }

  async release(handle: Handle, holderKey = 'own', key?: string): Promise<ReleaseQuotaOutcome> {
    const { items } = await this.quotas.release({
      namespaces: [this.store.namespace],
      items: [{ handle, quotaId: this.quotaId, holderKey, key }],
    })
    return must(items[0], 'an answer')
  }

  quotaPartition(key = ''): PartitionTag {
    return makePartitionTag(
      'quota',
      quotaKeyPartition(this.quotaId, key, this.store.opened.partitionCounts.quota),
    )
  }

  budgetPartition(budgetId = this.budgetId): PartitionTag {
    return makePartitionTag('budget', partitionOfBudget(budgetId, this.store.opened.partitionCounts.budget))
  }
}
