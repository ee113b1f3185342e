import type { Join, JoinPolicy } from '../policies/join.js'
import type { RecordedOutcome } from '../state/vector.js'

/** What the edges of a group have come to so far. Invariant: succeeded + failed + skipped ≤ n. */
export interface GroupCounters {
  readonly n: number
  readonly succeeded: number
  readonly failed: number
  readonly skipped: number
}

export type GroupDecision = 'pending' | 'satisfied' | 'impossible'
export type OutcomeBucket = 'succeeded' | 'failed' | 'skipped'

/** The bucket in which an upstream's outcome counts. */
export function outcomeBucket(outcome: RecordedOutcome): OutcomeBucket {
  if (outcome === 'success') return 'succeeded'
  return outcome === 'skipped' ? 'skipped' : 'failed'
}

/** The state of an edge after its upstream ended. */
export function edgeStateFor(outcome: RecordedOutcome): 'satisfied' | 'impossible' {
  return outcome === 'success' ? 'satisfied' : 'impossible'
}

/** The policy's table: satisfied is tested before impossible; n = 0 is pending whatever the policy. */
export function decidePolicy(policy: JoinPolicy, c: GroupCounters): GroupDecision {
  if (c.n === 0) return 'pending'
  const lost = c.failed + c.skipped
  switch (policy.kind) {
    case 'all_of':
      return c.succeeded === c.n ? 'satisfied' : lost > 0 ? 'impossible' : 'pending'
    case 'any_of':
      return c.succeeded >= 1 ? 'satisfied' : lost === c.n ? 'impossible' : 'pending'
    case 'quorum':
      return c.succeeded >= policy.k ? 'satisfied' : lost > c.n - policy.k ? 'impossible' : 'pending'
  }
}

/** Whether every upstream of the group has ended. */
export function groupComplete(c: GroupCounters): boolean {
  return c.n > 0 && c.succeeded + c.failed + c.skipped === c.n
}

/** What the group decides now: an `always` group only once its last upstream has ended, then by its policy's table. */
export function decideGroup(join: Join, c: GroupCounters): GroupDecision {
  if (join.runOn === 'always' && !groupComplete(c)) return 'pending'
  return decidePolicy(join.policy, c)
}

/** What a decided group does to its node, once `readyToRelease` holds. */
export function nodeFate(join: Join, decision: Exclude<GroupDecision, 'pending'>): 'run' | 'skip' {
  switch (join.runOn) {
    case 'always':
      return 'run'
    case 'groupSatisfied':
      return decision === 'satisfied' ? 'run' : 'skip'
    case 'groupImpossible':
      return decision === 'impossible' ? 'run' : 'skip'
  }
}

/** Whether the node's fate may be carried out: with `settled` only after the last upstream has ended. */
export function readyToRelease(join: Join, c: GroupCounters): boolean {
  return !join.settled || groupComplete(c)
}

/** Whether a decision cancels upstreams that still run, and the reason that the group then records. */
export function siblingCancelReason(
  policy: JoinPolicy,
  decision: Exclude<GroupDecision, 'pending'>,
): 'sibling_quorum_satisfied' | 'sibling_quorum_impossible' | null {
  if (policy.kind === 'all_of') {
    return decision === 'impossible' && policy.onImpossible === 'cancel_remaining'
      ? 'sibling_quorum_impossible'
      : null
  }
  if (policy.onSatisfied === 'let_run') return null
  return decision === 'satisfied' ? 'sibling_quorum_satisfied' : 'sibling_quorum_impossible'
}
