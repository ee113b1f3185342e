import { type ExplainFacts, publicStateOf, type Waitpoint } from '@flowfabric/core'
import { explainDependencies } from './dependencies.js'
import { explainEnd, explainHeld, explainRun } from './execution-state.js'
import type { ExplainReason, Explanation } from './explanation.js'
import { explainFlow } from './flow-state.js'
import { explainQueue } from './queue.js'
import { explainSuspension } from './suspension.js'
import { explainTime } from './time.js'

/**
 * Judges one consistent reading: why the execution isn't running, or that it runs or has ended. Pure, so that every answer
 * can be tested; what would refuse it at a claim is asked of the admission rules themselves. The waitpoints of what waits
 * are a reading of their own, and decide nothing.
 */
export function explainFrom(facts: ExplainFacts, waitpoints: readonly Waitpoint[] = []): Explanation {
  const reasons = reasonsOf(facts, waitpoints)
  const [dominant] = reasons
  if (dominant === undefined) throw new Error(`execution ${facts.execution.id} has no reason for its state`)
  const { id, state } = facts.execution
  return { executionId: id, publicState: publicStateOf(state), dominant, reasons }
}

/** In the order in which they count: the flow as a whole, then the blocks as the vector ranks them, then lane and workers. */
function reasonsOf(facts: ExplainFacts, waitpoints: readonly Waitpoint[]): readonly ExplainReason[] {
  switch (facts.execution.state.lifecyclePhase) {
    case 'terminal':
      return [explainEnd(facts)]
    case 'active':
      return [explainRun(facts)]
    case 'suspended':
      return [explainSuspension(facts, waitpoints)]
    case 'submitted':
      return blocksOf(facts)
    case 'runnable': {
      const blocks = blocksOf(facts)
      return blocks.length > 0 ? [...blocks, ...explainQueue(facts, 'blocks')] : explainQueue(facts, 'all')
    }
  }
}

function blocksOf(facts: ExplainFacts): readonly ExplainReason[] {
  const found = [
    explainFlow(facts, 'draft'),
    explainFlow(facts, 'cancelling'),
    explainFlow(facts, 'replaying'),
    explainDependencies(facts),
    explainHeld(facts),
    explainTime(facts),
  ].filter((reason) => reason !== undefined)
  return found.length > 0 ? found : explainUnknownBlock(facts)
}

/** Fails visibly rather than say "queued" about something that no claim would hand out. */
function explainUnknownBlock({ execution, demands }: ExplainFacts): readonly ExplainReason[] {
  const { eligibilityState, blockingReason, lifecyclePhase } = execution.state
  if (lifecyclePhase === 'runnable' && eligibilityState === 'eligible_now') return []
  // What has no room is judged with the rest of admission.
  const isThrottled = eligibilityState === 'blocked_by_quota' || eligibilityState === 'blocked_by_budget'
  if (isThrottled && demands !== null) return []
  return [
    {
      reason: 'blocked',
      message: `Blocked: ${eligibilityState}, ${blockingReason}.`,
      evidence: { eligibilityState, blockingReason },
      sinceMs: null,
      releasedBy: 'the end of that block',
    },
  ]
}
