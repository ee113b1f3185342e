import { deriveUuid } from '../ids/derive-uuid.js'
import { type BudgetId, type OperationId, parseOperationId } from '../ids/index.js'
import { firstProgress } from './progress.js'
import { operationText } from './record-text.js'

/** The job that a breach leaves, for a store that numbers what becomes of a budget: whoever makes it again makes the same. */
export function breachJobId(budgetId: BudgetId, number: number): OperationId {
  return parseOperationId(deriveUuid('breach', budgetId, String(number)))
}

/** How far a job has come that was not looked at yet, for a store that writes it in the step that records the breach. */
export const firstProgressText: string = operationText.ofProgress(firstProgress)
