import type {
  ChangeOperation,
  CreateOperation,
  GetOperation,
  ListOperations,
  OperationWork,
} from '../contract/operations.js'
import { parseBudgetId, parseOperationId } from '../ids/index.js'
import { type PublicState, terminalPublicStates } from '../state/public-state.js'
import { checkExecutionFilter } from './executions.js'
import { checkObject, checkReason, checkWord, invalidParam } from './fields.js'
import { checkPageRequest, checkScoped } from './scope.js'

export function checkCreateOperation(params: CreateOperation): void {
  checkGetOperation(params)
  checkObject(params.work, 'work')
  checkWork(params.work)
}

export function checkGetOperation(params: GetOperation): void {
  checkScoped(params)
  parseOperationId(params.operationId)
}

/** For `pause`, `resume` and `stop`. */
export function checkChangeOperation(params: ChangeOperation): void {
  checkGetOperation(params)
  checkReason(params.reason)
}

export function checkListOperations(params: ListOperations): void {
  checkScoped(params)
  checkPageRequest(params)
}

function checkWork(work: OperationWork): void {
  checkWord(work.kind, 'work.kind', ['cancel', 'replay', 'budget_breach'])
  if (work.kind === 'budget_breach') {
    parseBudgetId(work.budgetId)
    checkWord(work.rule, 'work.rule', ['cancel_pending', 'fail_running'])
    return
  }
  checkReason(work.reason)
  checkObject(work.filter, 'work.filter')
  checkExecutionFilter(work.filter)
  const { states, endedFromMs, endedBeforeMs } = work.filter
  if (work.kind === 'cancel') {
    if (states?.some(isTerminal))
      throw invalidParam('work.filter.states', 'what has ended cannot be cancelled')
    if (endedFromMs !== undefined || endedBeforeMs !== undefined)
      throw invalidParam('work.filter', 'what has ended cannot be cancelled')
    return
  }
  // Said out loud: whoever forgets them would run again what has done its work.
  if (states === undefined || states.length === 0 || !states.every(isTerminal))
    throw invalidParam('work.filter.states', 'a replay names states of what has ended')
}

function isTerminal(state: PublicState): boolean {
  return (terminalPublicStates as readonly PublicState[]).includes(state)
}
