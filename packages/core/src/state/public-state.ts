import type { StateVector } from './vector.js'

export const publicStates = [
  'waiting',
  'resumable',
  'delayed',
  'waiting_children',
  'rate_limited',
  'active',
  'suspended',
  'completed',
  'failed',
  'cancelled',
  'expired',
  'skipped',
] as const
/** What users, filters and dashboards see of an execution's state. */
export type PublicState = (typeof publicStates)[number]

export const terminalPublicStates = ['completed', 'failed', 'cancelled', 'expired', 'skipped'] as const
export type TerminalPublicState = (typeof terminalPublicStates)[number]

/** The one derivation of the public state. Stores repeat it (a generated column, a script helper); tests hold them to it. */
export function publicStateOf(vector: StateVector): PublicState {
  switch (vector.lifecyclePhase) {
    case 'terminal':
      if (vector.terminalOutcome === 'success') return 'completed'
      if (vector.terminalOutcome === 'none') throw new Error('a terminal state vector without an outcome')
      return vector.terminalOutcome
    case 'suspended':
      return 'suspended'
    case 'active':
      return 'active'
    case 'submitted':
      return 'waiting_children'
    case 'runnable':
      return runnablePublicState(vector)
  }
}

function runnablePublicState(vector: StateVector): PublicState {
  switch (vector.eligibilityState) {
    case 'eligible_now':
      return vector.attemptState === 'pending_resume' ? 'resumable' : 'waiting'
    case 'not_eligible_until_time':
      return 'delayed'
    case 'blocked_by_dependencies':
      return 'waiting_children'
    case 'blocked_by_budget':
    case 'blocked_by_quota':
      return 'rate_limited'
    case 'blocked_by_operator':
    case 'not_applicable':
      return 'waiting'
  }
}
