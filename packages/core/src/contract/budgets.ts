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

/**
 * Cumulative limits on what executions spend, per dimension, with a ledger that can be recounted. An execution names
 * budgets with an estimate each: it is reserved when the execution is claimed, moves into usage as reports come, and what
 * is left of it is given back when the attempt ends, is put aside or is lost, whatever the end.
 */
export interface BudgetOperations {
  /** Idempotent by id: the same settings answer `duplicate`, whatever was changed since. Throws `too_many_dimensions`. */
  create(params: CreateBudget): Promise<CreateBudgetOutcome>

  /** Throws `budget_not_found`. */
  get(params: GetBudget): Promise<{ readonly outcome: 'found'; readonly budget: Budget }>

  /** Newest first. Throws `invalid_cursor`. */
  list(params: ListBudgets): Promise<Page<Budget>>

  /**
   * Change limits, rule or period; what is spent and reserved stays. A raised limit makes room for what waits, and one that
   * is lowered below what is spent is breached by that. A new period runs from now. Atomic, idempotent. Throws `budget_not_found`, `too_many_dimensions`.
   */
  update(params: UpdateBudget): Promise<{ readonly outcome: 'updated'; readonly budget: Budget }>

  /**
   * Charge what was spent, in the period in which it is reported: it comes off what the execution has reserved, as far as
   * that reaches. Taken at every moment, also after the lease or the execution has ended. Atomic per item; idempotent by
   * (budget, execution, `usageKey`) for 24 h. The step that records a breach also writes its event, and leaves the job that
   * carries out the budget's rule. Item errors: `budget_not_found`, `unknown_dimension`, `limit_exceeded` past what can be
   * counted.
   */
  reportUsage(params: ReportUsage): Promise<{ readonly items: readonly ReportUsageOutcome[] }>

  /**
   * Begin a new period now: nothing is spent in it; reservations go on and count against it, and the next aligned reset
   * stays where it is. Atomic. Idempotent by (budget, `resetKey`) for 24 h. Throws `budget_not_found`.
   */
  reset(params: ResetBudget): Promise<{ readonly outcome: 'reset' | 'duplicate'; readonly budget: Budget }>

  /** Begin the periods that are due: one for each budget, however many were missed. Of the budget family. */
  resetDue(
    params: ScanRequest,
  ): Promise<
    ScanResult<{ readonly outcome: 'reset'; readonly budgetId: BudgetId; readonly nextResetAtMs: number }>
  >

  /**
   * Recount against the ledger and the executions that reservations name; repair only what is provably stale. Of the
   * budget family.
   */
  reconcile(params: ScanRequest): Promise<ScanResult<BudgetReconcileItem>>
}

export const hardBreachRules = ['block_new', 'cancel_pending', 'fail_running'] as const
/**
 * What follows when a hard limit is passed that was not passed before. Whatever the rule, nothing starts past one. For
 * `cancel_pending` and `fail_running` the step that records the breach also leaves a job of the role `operations`, see
 * `budget_breach` there, which is made at the latest a second later. It is about what had been accepted when it was made;
 * what comes after it waits. The rule is the one that the budget had at that step: changing it undoes nothing.
 */
export type HardBreachRule = (typeof hardBreachRules)[number]

/** Amounts by dimension (`tokens`, `usd_micros`, …), whole numbers. */
export type Amounts = Readonly<Record<string, number>>

/** A budget that an execution names. */
export interface BudgetDemand {
  readonly budgetId: BudgetId
  /** What is reserved each time that it is claimed. Nothing of a dimension that is absent. */
  readonly estimate: Amounts
}

/** The same as it is stated; without an estimate nothing is reserved. */
export interface BudgetDemandSpec {
  readonly budgetId: BudgetId
  readonly estimate?: Amounts | undefined
}

export interface BudgetLimit {
  /** `null`: no such limit. */
  readonly soft: number | null
  /** Nothing starts once so much is spent, or when its estimate would not fit below. */
  readonly hard: number | null
}

export interface BudgetSettings {
  readonly label: string
  /** 1…64 dimensions; what is reported of any other is refused. */
  readonly limits: Readonly<Record<string, BudgetLimit>>
  readonly onHardBreach: HardBreachRule
  /** Aligned: the next reset is the previous one plus this, without drift. `null`: none. */
  readonly resetPeriodMs: number | null
}

export interface CreateBudget extends Scoped, BudgetSettings {
  readonly budgetId: BudgetId
  /** Default: a period from now. Of periodic budgets only. */
  readonly firstResetAtMs?: number | undefined
}

export type CreateBudgetOutcome =
  | { readonly outcome: 'created'; readonly budget: Budget }
  | { readonly outcome: 'duplicate'; readonly budget: Budget }
  /** The id is taken by another budget. Nothing is told about the other. */
  | { readonly outcome: 'budget_conflict' }

export interface GetBudget extends Scoped {
  readonly budgetId: BudgetId
}

export const breachLevels = ['ok', 'soft_breach', 'hard_breach'] as const
/** Whether more was spent in the period than a limit of any dimension. */
export type BreachLevel = (typeof breachLevels)[number]

export interface Budget extends BudgetSettings {
  readonly id: BudgetId
  readonly createdAtMs: number
  /** In this period. Dimensions of which nothing was spent may be absent. */
  readonly used: Amounts
  /** By executions that run. Dimensions of which nothing is reserved may be absent. */
  readonly reserved: Amounts
  readonly breach: BreachLevel
  /** From 1, raised by every reset. */
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
  readonly items: readonly ReportedUsage[]
}

export interface ReportedUsage {
  /** Of any lease of the attempt, also of one that is over. */
  readonly handle: Handle
  /** One of the execution's namespace; it need not be one that the execution names. */
  readonly budgetId: BudgetId
  readonly usageKey: string
  readonly amounts: Amounts
}

export type ReportUsageOutcome =
  /** How the budget stands with this charge. */
  | { readonly outcome: BreachLevel; readonly used: Amounts }
  | { readonly outcome: 'duplicate' }
  /** The handle names no attempt of these namespaces. */
  | { readonly outcome: 'stale_lease' }
  | ItemError

export interface ResetBudget extends GetBudget {
  readonly resetKey: string
  readonly reason?: string | undefined
}

export interface BudgetReconcileItem {
  /** `released`: what nobody holds any more was given back. `drift`: a count was not what its entries add up to, and is now. */
  readonly outcome: 'released' | 'drift' | 'error'
  readonly budgetId: BudgetId
  readonly executionId: ExecutionId | null
  readonly finding: string
}
