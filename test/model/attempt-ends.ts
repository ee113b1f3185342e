import {
  backoffMs,
  type CancelCause,
  type EndedBy,
  type FailLease,
  type FailOutcome,
  type Failure,
  must,
  reclaimBackoffMs,
  retryAllowed,
} from '@flowfabric/core'
import { cancelCauseOf } from './facts.js'
import { hint } from './feed.js'
import { giveUnitsBack } from './holdings.js'
import type { AttemptEntry, ExecutionRecord } from './records.js'
import type { Model } from './store.js'
import { cancelExecution, closeAttempt, endExecution, holdUntil, makeRunnable } from './transition.js'

/** What follows when an attempt ends without success. The attempt itself is closed by then. */

type AfterFailure = Extract<FailOutcome, { readonly late: boolean }>

/** After a failure: cancelled anyway, failed for good, or tried again. */
export function followFailure(
  model: Model,
  x: ExecutionRecord,
  failure: Failure,
  wish: FailLease['retry'],
  late: boolean,
): AfterFailure {
  const cause = cancelCauseOf(model, x)
  if (cause !== null) {
    cancelExecution(model, x, cause)
    return { outcome: 'cancelled', late }
  }
  if (wish === 'never' || !retryAllowed(x.retry, x.retryCount, failure.category)) {
    endExecution(model, x, { outcome: 'failed', failure })
    return { outcome: 'failed', late }
  }
  const retryAtMs = retryAtOf(model, x, wish)
  holdUntil(model, x, retryAtMs, 'retry_backoff')
  x.readyAtMs = null
  makeRunnable(model, x, 'pending_retry_attempt')
  return { outcome: 'retrying', retryAtMs, late }
}

function retryAtOf(model: Model, x: ExecutionRecord, wish: Exclude<FailLease['retry'], 'never'>): number {
  const nowMs = model.clock.nowMs()
  if (wish === undefined || wish === 'policy') {
    return nowMs + backoffMs(x.retry.backoff, x.retryCount, model.random.next())
  }
  return Math.max(nowMs, 'atMs' in wish ? wish.atMs : nowMs + wish.afterMs)
}

export type LeaseLoss = 'reclaimable' | 'failed' | 'cancelled'

/** A lease ran out or was taken away: the execution becomes claimable again by itself, up to its bound. */
export function loseLease(
  model: Model,
  x: ExecutionRecord,
  endedBy: Extract<EndedBy, 'lease_expiry' | 'revocation'>,
): LeaseLoss {
  closeAttempt(model, must(x.attempts.at(-1), `the attempt of ${x.id}`), 'interrupted_reclaimed', endedBy)
  if (endedBy === 'revocation') hint(model, { type: 'attention', executionId: x.id })
  const cause = cancelCauseOf(model, x)
  if (cause !== null) {
    cancelExecution(model, x, cause)
    return 'cancelled'
  }
  if (x.reclaimCount + 1 > x.maxReclaims) {
    const message = `more than ${x.maxReclaims} leases were lost`
    endExecution(model, x, { outcome: 'failed', failure: { category: 'max_reclaims_exceeded', message } })
    return 'failed'
  }
  x.reclaimCount += 1
  const pauseMs = reclaimBackoffMs(x.reclaimCount, model.random.next())
  holdUntil(model, x, model.clock.nowMs() + pauseMs, 'reclaim_backoff')
  makeRunnable(model, x, 'pending_reclaim_attempt', { ownership: 'lease_expired_reclaimable' })
  return 'reclaimable'
}

/** The attempt used up its time: a failure like another. */
export function timeOutAttempt(model: Model, x: ExecutionRecord): void {
  const failure = {
    category: 'timeout',
    message: `the attempt ran longer than ${x.timeouts.attemptTimeoutMs} ms`,
  }
  closeAttempt(
    model,
    must(x.attempts.at(-1), `the attempt of ${x.id}`),
    'ended_failure',
    'attempt_timeout',
    failure,
  )
  hint(model, { type: 'attention', executionId: x.id })
  followFailure(model, x, failure, 'policy', false)
}

/** A holder puts its attempt aside until a time; the same one goes on then. */
export function putAside(model: Model, x: ExecutionRecord, attempt: AttemptEntry, untilMs: number): void {
  attempt.state = 'suspended'
  attempt.usedMs += model.clock.nowMs() - must(x.lease, `the lease of ${x.id}`).startedAtMs
  holdUntil(model, x, untilMs, 'start_time')
  x.readyAtMs = null
  makeRunnable(model, x, 'attempt_interrupted')
}

/** A holder hands back what it didn't start: as if the claim had not been, but for the epoch. */
export function takeBack(model: Model, x: ExecutionRecord, attempt: AttemptEntry): void {
  const { before, leaseId } = must(x.lease, `the lease of ${x.id}`)
  giveUnitsBack(model, x)
  x.attempts.pop()
  if (attempt.type !== 'reclaim') x.retryCount -= 1
  x.yielded = { executionId: x.id, attemptIndex: attempt.index, leaseId, epoch: x.epoch }
  makeRunnable(model, x, before.attemptState)
}

/** The holder's own call ends the execution as cancelled: the attempt is the holder's end, so that a repeat answers the same. */
export function cancelByHolder(
  model: Model,
  x: ExecutionRecord,
  attempt: AttemptEntry,
  cause: CancelCause,
): void {
  closeAttempt(model, attempt, 'ended_cancelled', 'holder')
  cancelExecution(model, x, cause)
}
