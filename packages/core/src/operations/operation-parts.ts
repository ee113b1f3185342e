import type { ExecutionOperations } from '../contract/executions.js'
import type { DueAnnouncer } from '../due-records/announce-due.js'
import type { DueRecords } from '../due-records/due-records.js'
import type { BudgetId } from '../ids/index.js'
import type { FindItems, FoundItems, ItemSource, OperationTargets } from './operation-store.js'

/** Which executions that have not ended carry a budget. */
export type FindBudgeted = Omit<FindItems, 'filter' | 'hasEnded'> & { readonly budgetId: BudgetId }

/** What the role is made of: a store of records, and the store's own executions. */
export interface OperationParts extends DueAnnouncer {
  readonly store: DueRecords
  readonly targets: OperationTargets
  readonly budgeted: ItemSource<FindBudgeted>
  readonly executions: Pick<ExecutionOperations, 'count'>
}

/** Of a store whose executions carry no budgets. */
export const nothingBudgeted: ItemSource<FindBudgeted> = {
  find: async (): Promise<FoundItems> => ({ items: [], place: null }),
}
