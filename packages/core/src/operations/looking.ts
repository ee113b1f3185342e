import type { ExecutionFilter } from '../contract/executions.js'
import type { OperationWork } from '../contract/operations.js'
import { type PublicState, publicStates, terminalPublicStates } from '../state/public-state.js'
import type { OperationParts } from './operation-parts.js'
import type { FoundItems, OperationDeed } from './operation-store.js'
import type { StoredOperation } from './record.js'

/** What is done to each execution that a job finds. */
export function deedOf(work: OperationWork): OperationDeed {
  if (work.kind !== 'budget_breach') return work.kind
  return work.rule === 'fail_running' ? 'budget_breach_running' : 'budget_breach'
}

/** One bounded look for what comes next. */
export function lookOn(
  { targets }: OperationParts,
  { namespace, definition }: StoredOperation,
  place: string | null,
  max: number,
): Promise<FoundItems> {
  const { work, boundsMs } = definition
  return targets.find({
    namespace,
    filter: work.kind === 'budget_breach' ? { states: livePublicStates } : withStates(work),
    boundsMs,
    hasEnded: work.kind === 'replay',
    budgetId: work.kind === 'budget_breach' ? work.budgetId : null,
    place,
    max,
  })
}

/** How many there are to look for; `null` where that is not known. */
export async function countItems(
  { executions }: OperationParts,
  { namespace, definition }: StoredOperation,
): Promise<number | null> {
  const { work, boundsMs } = definition
  if (work.kind === 'budget_breach') return null
  const filter = withStates(work)
  const endMs = Math.max(...boundsMs) + 1
  const createdBeforeMs = Math.min(filter.createdBeforeMs ?? endMs, endMs)
  return (await executions.count({ namespace, filter: { ...filter, createdBeforeMs } })).count
}

/** A filter without states means those to which the work can be done. */
function withStates({ kind, filter }: Exclude<OperationWork, { kind: 'budget_breach' }>): ExecutionFilter {
  const states = kind === 'cancel' ? livePublicStates : terminalPublicStates
  return { ...filter, states: filter.states ?? states }
}

const livePublicStates: readonly PublicState[] = publicStates.filter(
  (state) => !(terminalPublicStates as readonly PublicState[]).includes(state),
)
