import type { ExplainFacts } from '@flowfabric/core'
import { assert } from '@flowfabric/core'
import type { ExplainReason } from './explanation.js'

export function explainEnd({ execution }: ExplainFacts): ExplainReason {
  const { terminalOutcome } = execution.state
  assert(terminalOutcome !== 'none', `execution ${execution.id} is terminal without an outcome`)
  const why =
    execution.cancelCause !== null
      ? ` (${execution.cancelCause})`
      : execution.failure !== null
        ? ` (${execution.failure.category}: ${execution.failure.message})`
        : ''
  return {
    reason: 'ended',
    message: `It has ended: ${terminalOutcome}${why}.`,
    evidence: {
      outcome: terminalOutcome,
      failure: execution.failure,
      cancelCause: terminalOutcome === 'cancelled' ? execution.cancelCause : null,
    },
    sinceMs: execution.terminalAtMs,
    releasedBy: 'a replay',
  }
}

export function explainRun({ execution }: ExplainFacts): ExplainReason {
  const { lease, cancelRequested } = execution
  const asked = cancelRequested === null ? '' : `, and was asked to stop (${cancelRequested.cause})`
  return {
    reason: 'running',
    message: `It runs${lease === null ? '' : ` on worker ${lease.workerId}, attempt ${lease.attemptIndex}`}${asked}.`,
    evidence: {
      workerId: lease?.workerId ?? null,
      instanceId: lease?.instanceId ?? null,
      attemptIndex: lease?.attemptIndex ?? null,
      leaseExpiresAtMs: lease?.expiresAtMs ?? null,
      cancelRequested,
    },
    sinceMs: lease?.startedAtMs ?? null,
    releasedBy:
      cancelRequested === null
        ? 'the end of its attempt, or of its lease'
        : 'the end of its attempt, or of the grace',
  }
}

export function explainHeld({ execution }: ExplainFacts): ExplainReason | undefined {
  if (!execution.held) return undefined
  return {
    reason: 'held',
    message: 'An operator holds it.',
    evidence: {},
    // The record says that it is held, not since when.
    sinceMs: null,
    releasedBy: 'a release by an operator',
  }
}
