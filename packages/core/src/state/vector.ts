/**
 * The state vector of an execution: six orthogonal dimensions that a store keeps. The public state is always
 * derived from them (see `public-state.ts`), never stored on its own authority.
 */
export const lifecyclePhases = ['submitted', 'runnable', 'active', 'suspended', 'terminal'] as const
/** `submitted` is the root of a draft flow: it exists, and nothing can claim it before the seal. */
export type LifecyclePhase = (typeof lifecyclePhases)[number]

export const ownershipStates = ['unowned', 'leased', 'lease_expired_reclaimable'] as const
/** `lease_expired_reclaimable` stands from reaping to the next claim, together with `runnable`. */
export type OwnershipState = (typeof ownershipStates)[number]

export const eligibilityStates = [
  'eligible_now',
  'not_eligible_until_time',
  'blocked_by_dependencies',
  'blocked_by_budget',
  'blocked_by_quota',
  'blocked_by_operator',
  'not_applicable',
] as const
export type EligibilityState = (typeof eligibilityStates)[number]

export const blockingReasons = [
  'none',
  'waiting_for_worker',
  'waiting_for_delay',
  'waiting_for_retry_backoff',
  'waiting_for_reclaim_backoff',
  'waiting_for_resume_delay',
  'waiting_for_children',
  'waiting_for_budget',
  'waiting_for_quota',
  'waiting_for_signal',
  'waiting_for_approval',
  'waiting_for_callback',
  'waiting_for_tool_result',
  'waiting_for_child',
  'paused_by_operator',
] as const
export type BlockingReason = (typeof blockingReasons)[number]

export const terminalOutcomes = ['none', 'success', 'failed', 'cancelled', 'expired', 'skipped'] as const
export type TerminalOutcome = (typeof terminalOutcomes)[number]
/** An outcome that was recorded, that is any but `none`. */
export type RecordedOutcome = Exclude<TerminalOutcome, 'none'>

export const attemptStates = [
  'none',
  'pending_first_attempt',
  'running_attempt',
  'attempt_interrupted',
  'pending_resume',
  'pending_retry_attempt',
  'pending_reclaim_attempt',
  'pending_replay_attempt',
  'attempt_terminal',
] as const
/** `attempt_interrupted` is kept by a suspension or a delay that still waits; `pending_resume` once it is due. */
export type AttemptState = (typeof attemptStates)[number]

export interface StateVector {
  readonly lifecyclePhase: LifecyclePhase
  readonly ownershipState: OwnershipState
  readonly eligibilityState: EligibilityState
  readonly blockingReason: BlockingReason
  readonly terminalOutcome: TerminalOutcome
  readonly attemptState: AttemptState
}
