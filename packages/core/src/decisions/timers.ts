import type { TimerKind } from '../contract/maintenance.js'

/** What of an execution has a due time. Absent or null: it doesn't apply in its present state. */
export interface TimerFacts {
  readonly graceEndsAtMs: number | null
  readonly deadlineAtMs: number | null
  readonly queueTtlAtMs: number | null
  readonly attemptDeadlineAtMs: number | null
  readonly leaseExpiresAtMs: number | null
  readonly suspensionTimeoutAtMs: number | null
  /** Set only while time is the dominant block. */
  readonly promoteAtMs: number | null
}

export interface NextTimer {
  readonly kind: TimerKind
  readonly dueAtMs: number
}

/** The earliest timer that applies; at equal times the order of the fields above decides. */
export function nextTimerOf(facts: TimerFacts): NextTimer | null {
  const candidates: readonly (readonly [TimerKind, number | null])[] = [
    ['cancel_grace', facts.graceEndsAtMs],
    ['execution_deadline', facts.deadlineAtMs],
    ['queue_ttl', facts.queueTtlAtMs],
    ['attempt_timeout', facts.attemptDeadlineAtMs],
    ['lease_expiry', facts.leaseExpiresAtMs],
    ['suspension_timeout', facts.suspensionTimeoutAtMs],
    ['delayed_promotion', facts.promoteAtMs],
  ]
  let best: NextTimer | null = null
  for (const [kind, dueAtMs] of candidates) {
    if (dueAtMs !== null && (best === null || dueAtMs < best.dueAtMs)) best = { kind, dueAtMs }
  }
  return best
}
