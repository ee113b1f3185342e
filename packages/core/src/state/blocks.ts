import type { SuspensionReason } from '../contract/suspensions.js'
import type {
  AttemptState,
  BlockingReason,
  EligibilityState,
  OwnershipState,
  RecordedOutcome,
  StateVector,
} from './vector.js'

/** Why a runnable execution waits for a time. */
export type DelayReason = 'start_time' | 'retry_backoff' | 'reclaim_backoff' | 'resume_delay'

/**
 * What can hold a runnable execution back. The facts are stored side by side, so that lifting one never lifts another;
 * the vector shows the dominant one: dependencies, then an operator's hold, then time.
 */
export interface Blocks {
  /** Its edge group has not let it go yet. */
  readonly dependencies: boolean
  /** An operator holds it. */
  readonly held: boolean
  /** Not before this store time, in ms since the epoch. */
  readonly notBeforeMs: number | null
  readonly delayReason: DelayReason
}

/** The vector of a runnable execution under these blocks. */
export function runnableVector(
  blocks: Blocks,
  nowMs: number,
  attemptState: AttemptState,
  ownershipState: OwnershipState = 'unowned',
): StateVector {
  const [eligibilityState, blockingReason] = dominantBlock(blocks, nowMs)
  return {
    lifecyclePhase: 'runnable',
    ownershipState,
    eligibilityState,
    blockingReason,
    terminalOutcome: 'none',
    attemptState,
  }
}

function dominantBlock(blocks: Blocks, nowMs: number): readonly [EligibilityState, BlockingReason] {
  if (blocks.dependencies) return ['blocked_by_dependencies', 'waiting_for_children']
  if (blocks.held) return ['blocked_by_operator', 'paused_by_operator']
  if (blocks.notBeforeMs !== null && blocks.notBeforeMs > nowMs)
    return ['not_eligible_until_time', delayBlock[blocks.delayReason]]
  return ['eligible_now', 'waiting_for_worker']
}

const delayBlock: Record<DelayReason, BlockingReason> = {
  start_time: 'waiting_for_delay',
  retry_backoff: 'waiting_for_retry_backoff',
  reclaim_backoff: 'waiting_for_reclaim_backoff',
  resume_delay: 'waiting_for_resume_delay',
}

/** The vector of an eligible execution for which a claim found no room: it keeps its attempt and who last held it. */
export function throttledVector(eligible: StateVector, by: 'quota' | 'budget'): StateVector {
  return { ...eligible, eligibilityState: `blocked_by_${by}`, blockingReason: `waiting_for_${by}` }
}

/** The vector of an execution that a worker holds. */
export const activeVector: StateVector = {
  lifecyclePhase: 'active',
  ownershipState: 'leased',
  eligibilityState: 'not_applicable',
  blockingReason: 'none',
  terminalOutcome: 'none',
  attemptState: 'running_attempt',
}

/** The vector of an execution that waits on purpose; one whose suspension has escalated waits for an operator too. */
export function suspendedVector(reason: SuspensionReason, escalated: boolean): StateVector {
  return {
    lifecyclePhase: 'suspended',
    ownershipState: 'unowned',
    eligibilityState: 'not_applicable',
    blockingReason: escalated ? 'paused_by_operator' : `waiting_for_${reason}`,
    terminalOutcome: 'none',
    attemptState: 'attempt_interrupted',
  }
}

/** The vector of the root of a draft: nothing can claim it before the seal. */
export const draftRootVector: StateVector = {
  lifecyclePhase: 'submitted',
  ownershipState: 'unowned',
  eligibilityState: 'not_applicable',
  blockingReason: 'none',
  terminalOutcome: 'none',
  attemptState: 'pending_first_attempt',
}

/** The vector of an ended execution: every terminal transition writes exactly this. */
export function terminalVector(outcome: RecordedOutcome): StateVector {
  return {
    lifecyclePhase: 'terminal',
    ownershipState: 'unowned',
    eligibilityState: 'not_applicable',
    blockingReason: 'none',
    terminalOutcome: outcome,
    attemptState: 'attempt_terminal',
  }
}

/** The numbered ways in which a vector can be impossible; the empty list for a possible one. Walked by model, suite and reconciler. */
export function vectorViolations(v: StateVector): readonly string[] {
  const found: string[] = []
  const check = (ok: boolean, text: string) => {
    if (!ok) found.push(text)
  }
  check(
    (v.lifecyclePhase === 'terminal') === (v.terminalOutcome !== 'none'),
    'V1: terminal exactly with an outcome',
  )
  check((v.lifecyclePhase === 'active') === (v.ownershipState === 'leased'), 'V2: active exactly when leased')
  check(
    v.ownershipState !== 'lease_expired_reclaimable' || v.lifecyclePhase === 'runnable',
    'V3: reclaimable only when runnable',
  )
  check(
    (v.lifecyclePhase === 'runnable') === (v.eligibilityState !== 'not_applicable'),
    'V4: eligibility exactly when runnable',
  )
  check(
    (v.lifecyclePhase === 'active') === (v.attemptState === 'running_attempt'),
    'V5: an attempt runs exactly when active',
  )
  check(
    (v.lifecyclePhase === 'terminal') === (v.attemptState === 'attempt_terminal'),
    'V6: attempt_terminal exactly when terminal',
  )
  check(
    v.blockingReason !== 'none' ||
      v.lifecyclePhase === 'active' ||
      v.lifecyclePhase === 'terminal' ||
      v.lifecyclePhase === 'submitted',
    'V7: whatever waits says why',
  )
  check(v.attemptState !== 'none', 'V8: every execution has an attempt state')
  check(
    v.lifecyclePhase !== 'suspended' || v.attemptState === 'attempt_interrupted',
    'V9: whatever is suspended keeps its attempt',
  )
  return found
}
