import type { FlowState, FlowSummaryState } from '../contract/flows.js'
import { type PublicState, publicStates, terminalPublicStates } from '../state/public-state.js'

export type StateCounts = Readonly<Record<PublicState, number>>

/** Counts with every public state, zeros too. */
export function completeCounts(partial: Partial<Record<PublicState, number>>): StateCounts {
  return Object.fromEntries(publicStates.map((state) => [state, partial[state] ?? 0])) as Record<
    PublicState,
    number
  >
}

export function totalOf(counts: StateCounts): number {
  return publicStates.reduce((sum, state) => sum + counts[state], 0)
}

export function terminalOf(counts: StateCounts): number {
  return terminalPublicStates.reduce((sum, state) => sum + counts[state], 0)
}

/** The state that dashboards see, from the authoritative one and exact counts. `running` until a settlement is written. */
export function flowSummaryStateOf(state: FlowState, counts: StateCounts): FlowSummaryState {
  const total = totalOf(counts)
  const allTerminal = total > 0 && terminalOf(counts) === total
  if (state === 'cancelled' || (state === 'cancelling' && allTerminal)) return 'cancelled'
  if (state === 'completed' || state === 'failed') return state
  if (allTerminal || counts.active > 0) return 'running'
  if (counts.waiting + counts.resumable > 0) return 'open'
  if (counts.suspended + counts.delayed + counts.rate_limited + counts.waiting_children > 0) return 'blocked'
  return 'open'
}
