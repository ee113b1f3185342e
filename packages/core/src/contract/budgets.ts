import type { BudgetId, ExecutionId } from '../ids/index.js'
import type {
  ItemError,
  Page,
  PageRequest,
  ScanRequest,
  ScanResult,
  Scoped,
  WorkerScoped,
} from './conventions.js'
import type { Handle } from './leases.js'

/** Cumulative limits on what executions spend, per dimension, with a ledger that can be recounted. */
export interface BudgetOperations {
  /** Idempotent by id. Throws `too_many_dimensions`. */
  create(params: CreateBudget): Promise<CreateBudgetOutcome>

  /** Throws `budget_not_found`. */
  get(params: GetBudget): Promise<{ readonly outcome: 'found'; readonly budget: Budget }>

  /** Newest first. */
  list(params: ListBudgets): Promise<Page<Budget>>

  /** Change limits, rule or period. A raised limit wakes what waits for it. Atomic, idempotent. Throws `budget_not_found`. */
  update(params: UpdateBudget): Promise<{ readonly outcome: 'updated'; readonly budget: Budget }>

  /**
   * Charge what was spent: it moves from the reservation into usage, into the period in which it is reported. Accepted at
   * every moment of a lease. Atomic per item; idempotent by (execution, `usageKey`). The step that records a hard breach
   * also writes the durable job that carries out its rule.
   */
  reportUsage(params: ReportUsage): Promise<{ readonly items: readonly ReportUsageOutcome[] }>

  /** Begin a new period now; reservations go on and count against it. Idempotent by (budget, `resetKey`). */
  reset(params: ResetBudget): Promise<{ readonly outcome: 'reset' | 'duplicate'; readonly budget: Budget }>

  /** Begin the periods that are due. */
  resetDue(
    params: ScanRequest,
  ): Promise<
    ScanResult<{ readonly outcome: 'reset'; readonly budgetId: BudgetId; readonly nextResetAtMs: number }>
  >

  /** Recount against the ledger and the executions that reservations name; repair only what is provably stale. */
  reconcile(params: ScanRequest): Promise<ScanResult<BudgetReconcileItem>>
}

export const hardBreachRules = ['block_new', 'cancel_pending', 'fail_running'] as const
/** Each includes the ones before it. */
export type HardBreachRule = (typeof hardBreachRules)[number]

/** Amounts by dimension (`tokens`, `usd_micros`, …), whole numbers. */
export type Amounts = Readonly<Record<string, number>>

export interface BudgetLimit {
  /** `null`: no such limit. */
  readonly soft: number | null
  readonly hard: number | null
}

export interface BudgetSettings {
  readonly label: string
  /** At most 64. */
  readonly limits: Readonly<Record<string, BudgetLimit>>
  readonly onHardBreach: HardBreachRule
  /** Aligned: the next reset is the previous one plus this, without drift. `null`: none. */
  readonly resetPeriodMs: number | null
}

export interface CreateBudget extends Scoped, BudgetSettings {
  readonly budgetId: BudgetId
  readonly firstResetAtMs?: number | undefined
}

export type CreateBudgetOutcome =
  | { readonly outcome: 'created'; readonly budget: Budget }
  | { readonly outcome: 'duplicate'; readonly budget: Budget }
  | { readonly outcome: 'budget_conflict' }

export interface GetBudget extends Scoped {
  readonly budgetId: BudgetId
}

export interface Budget extends BudgetSettings {
  readonly id: BudgetId
  readonly used: Amounts
  readonly reserved: Amounts
  readonly breach: 'ok' | 'soft_breach' | 'hard_breach'
  /** Raised by every reset. */
  readonly period: number
  readonly periodStartedAtMs: number
  readonly nextResetAtMs: number | null
  /** Admission keys that wait for it. */
  readonly waiting: number
}

export interface ListBudgets extends Scoped, PageRequest {}

export interface UpdateBudget extends GetBudget {
  readonly settings: { readonly [K in keyof BudgetSettings]?: BudgetSettings[K] | undefined }
}

export interface ReportUsage extends WorkerScoped {
  readonly items: readonly {
    readonly handle: Handle
    readonly budgetId: BudgetId
    readonly usageKey: string
    readonly amounts: Amounts
  }[]
}

export type ReportUsageOutcome =
  | { readonly outcome: 'ok' | 'soft_breach' | 'hard_breach'; readonly used: Amounts }
  | { readonly outcome: 'duplicate' }
  /** The handle names no attempt of these namespaces. */
  | { readonly outcome: 'stale_lease' }
  | ItemError

export interface ResetBudget extends GetBudget {
  readonly resetKey: string
  readonly reason?: string | undefined
}

export interface BudgetReconcileItem {
  readonly outcome: 'released' | 'drift' | 'error'
  readonly budgetId: BudgetId
  readonly executionId: ExecutionId | null
  readonly finding: string
}
