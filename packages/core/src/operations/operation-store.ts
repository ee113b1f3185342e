import type { ExecutionFilter } from '../contract/executions.js'
import type { OperationWork } from '../contract/operations.js'
import type { BudgetId, OperationId } from '../ids/index.js'
import type { Namespace } from '../names.js'
import type { OperationItem } from './record.js'

export interface OperationName {
  readonly namespace: Namespace
  readonly operationId: OperationId
}

export interface FindItems {
  readonly namespace: Namespace
  readonly filter: ExecutionFilter
  /** What was created later than its partition's is not looked at. One alone holds for all. */
  readonly boundsMs: readonly number[]
  /** Only what had ended by the bound. */
  readonly hasEnded: boolean
  /** Only what names this budget and has not ended; `null` for any. */
  readonly budgetId: BudgetId | null
  /** As the look before told it; `null` at the beginning. */
  readonly place: string | null
  readonly max: number
}

export interface FoundItems {
  readonly items: readonly OperationItem[]
  /** Where the next look goes on; `null` at the end. */
  readonly place: string | null
}

/** What is to be done to each item of a batch. */
export type OperationDeed = OperationWork['kind'] | 'budget_breach_running'

export type ItemOutcome =
  /** It is as the deed wants it: by this call, or by an earlier one of which nobody knows. */
  { readonly outcome: 'done' | 'unchanged' } | { readonly outcome: 'failed'; readonly code: string }

/** What the role needs of a store's executions. */
export interface OperationTargets {
  /** Store time of each flow partition, or one for all of them. */
  clocks(): Promise<readonly number[]>

  /**
   * One bounded look of a walk, which may find nothing and not be at the end. Each execution that was there at the beginning is
   * looked at once, whatever changes meanwhile.
   */
  find(params: FindItems): Promise<FoundItems>

  /**
   * Does it to each item that still is of its generation. Repeatable: what was done by an earlier call counts as done. Throws
   * where nobody knows what became of them.
   */
  carryOut(params: {
    readonly namespace: Namespace
    readonly deed: OperationDeed
    readonly items: readonly OperationItem[]
  }): Promise<readonly ItemOutcome[]>
}
