import { admitDemands, type DemandRefusal, type ExplainFacts } from '@flowfabric/core'
import type { ExplainReason } from './explanation.js'

/** What of the quotas and budgets that it names has no room for it, each judged for itself, as a claim judges them. */
export function explainDemands(facts: ExplainFacts): readonly ExplainReason[] {
  const { demands, execution } = facts
  if (demands === null) return []
  const { attemptState } = execution.state
  const beginsAttempt = attemptState !== 'pending_resume' && attemptState !== 'attempt_interrupted'
  const none = { beginsAttempt, quotas: [], budgets: [] }
  const sinceMs = demands.parked?.head === execution.id ? demands.parked.sinceMs : null
  const refusals = [
    ...demands.quotas.map((quota) => admitDemands({ ...none, quotas: [quota] })),
    ...demands.budgets.map((budget) => admitDemands({ ...none, budgets: [budget] })),
  ]
  const found = refusals.flatMap((refusal) => (refusal === null ? [] : [explainRefusal(refusal, sinceMs)]))
  return found.length > 0 || demands.parked === null ? found : [explainParked(facts, demands.parked)]
}

function explainRefusal(refusal: DemandRefusal, sinceMs: number | null): ExplainReason {
  if (refusal.by === 'budget') {
    const { budget, dimension } = refusal
    return {
      reason: 'budget',
      message: `Budget ${budget.budgetId} has no room for its estimate of ${dimension}.`,
      evidence: { budget, dimension },
      sinceMs,
      releasedBy: `a refund, a raised limit${budget.nextResetAtMs === null ? ' or a reset' : `, or the reset at ${budget.nextResetAtMs}`}`,
    }
  }
  const { quota, shortage } = refusal
  const { quotaId, key, held, unitsInWindow, cost, rate, concurrency } = quota
  const of = `Quota ${quotaId}${key === '' ? '' : `, key ${key},`}`
  const isTooDear = shortage === 'rate' && cost > (rate?.units ?? 0)
  return {
    reason: 'quota',
    message:
      shortage === 'concurrency'
        ? `${of} has ${held} of ${concurrency} slots taken.`
        : isTooDear
          ? `${of} lets ${rate?.units} units through at once, and it costs ${cost}.`
          : `${of} has ${unitsInWindow} of ${rate?.units} units spent, and it costs ${cost}.`,
    evidence: { quota, shortage },
    sinceMs,
    releasedBy: isTooDear
      ? 'a greater limit'
      : shortage === 'concurrency'
        ? 'the end of a holder, or a greater limit'
        : `time, at ${quota.retryAtMs}, or a greater limit`,
  }
}

/** There would be room by now, or for it alone; the line has not been looked at again. */
function explainParked(
  { execution }: ExplainFacts,
  { head, by, sinceMs }: NonNullable<NonNullable<ExplainFacts['demands']>['parked']>,
): ExplainReason {
  const what = by.kind === 'quota' ? `quota ${by.quotaId}` : `budget ${by.budgetId}`
  return {
    reason: 'parked',
    message:
      head === execution.id
        ? `It was refused by ${what}, and is about to be looked at again.`
        : `It waits behind ${head}, which names the same and was refused by ${what}.`,
    evidence: { head, by },
    sinceMs,
    releasedBy: `room in ${what} for that one`,
  }
}
