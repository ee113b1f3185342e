import { type DelayReason, type ExplainFacts, unreachable } from '@flowfabric/core'
import type { ExplainReason, ReasonEvidence } from './explanation.js'

/** A time that has not come yet. It counts also while another block shows in front of it. */
export function explainTime(facts: ExplainFacts): ExplainReason | undefined {
  const { execution, nowMs, lastAttempt } = facts
  const { notBeforeMs, delayReason, state } = execution
  // Due, but not promoted yet: the vector still says so, and a timer is about to change it.
  const isPromoted = state.eligibilityState !== 'not_eligible_until_time'
  if (notBeforeMs === null || delayReason === null || (isPromoted && notBeforeMs <= nowMs)) return undefined
  const isAfterAttempt = lastAttempt !== null && lastAttempt.generation === execution.generation
  return {
    ...evidenceOf(delayReason, notBeforeMs, facts),
    message: `${words[delayReason]} ${describeUntil(notBeforeMs, nowMs)}.`,
    sinceMs: isAfterAttempt ? lastAttempt.endedAtMs : execution.createdAtMs,
    releasedBy: 'that time, by the store’s clock',
  }
}

function evidenceOf(
  reason: DelayReason,
  untilMs: number,
  { execution, lastAttempt }: ExplainFacts,
): ReasonEvidence {
  switch (reason) {
    case 'start_time':
      // A delay that its own handler asked for keeps the attempt.
      return {
        reason: execution.state.attemptState === 'attempt_interrupted' ? 'delay' : 'start_time',
        evidence: { untilMs },
      }
    case 'resume_delay':
      return { reason: 'delay', evidence: { untilMs } }
    case 'retry_backoff':
      return {
        reason: 'retry_backoff',
        evidence: { untilMs, retryCount: execution.retryCount, failure: lastAttempt?.failure ?? null },
      }
    case 'reclaim_backoff':
      return { reason: 'reclaim_backoff', evidence: { untilMs, reclaimCount: execution.reclaimCount } }
    default:
      return unreachable(reason)
  }
}

const words: Record<DelayReason, string> = {
  start_time: 'It is not to start before its time, which is',
  retry_backoff: 'Its last attempt failed; the next one begins',
  reclaim_backoff: 'Its lease was lost again; it can be claimed',
  resume_delay: 'It goes on',
}

function describeUntil(untilMs: number, nowMs: number): string {
  const inMs = untilMs - nowMs
  return inMs <= 0 ? 'any moment now' : `in ${inMs} ms`
}
