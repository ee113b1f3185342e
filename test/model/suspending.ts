import {
  childrenOf,
  conditionHolds,
  type EngineError,
  engineError,
  evidenceOf,
  type FencingRefusal,
  judgeArrivals,
  judgeChildEnd,
  must,
  parseSignalId,
  type ResumedBy,
  type SuspendItem,
  type SuspendOutcome,
  startCondition,
  suspendedVector,
  waitpointsOf,
} from '@flowfabric/core'
import { cancelByHolder } from './attempt-ends.js'
import { cancelCauseOf } from './facts.js'
import { watchChild } from './family.js'
import { announceSignal } from './feed.js'
import type { AttemptEntry, ExecutionRecord, SuspensionRecord } from './records.js'
import type { Model } from './store.js'
import { closeAttempt, endExecution, holdUntil, makeRunnable, transition } from './transition.js'
import { viewResumption } from './views.js'
import { addWaitpoint, conflictOf, requireRoom, stateOfWaitpoint } from './waitpoints.js'

type Outcome = Exclude<SuspendOutcome, FencingRefusal>

/** A holder waits for a condition, unless what came early satisfies it. Refusals change nothing. */
export function suspend(model: Model, x: ExecutionRecord, attempt: AttemptEntry, item: SuspendItem): Outcome {
  const cause = cancelCauseOf(model, x)
  if (cause !== null) {
    const answer = { outcome: 'cancelled' as const }
    attempt.putDown = { operation: 'suspend', answer }
    cancelByHolder(model, x, attempt, cause)
    return answer
  }
  if (x.resumption?.suspensionId === item.suspensionId) {
    return { outcome: 'already_satisfied', resumption: viewResumption(x, x.resumption) }
  }
  const refusal = refuse(model, x, item)
  if (refusal !== undefined) return refusal
  for (const fresh of missingWaitpoints(x, item)) addWaitpoint(model, x, fresh)
  attempt.hasEffects = true
  const { condition } = item
  const named = new Set(waitpointsOf(condition))
  const arrivals = {
    children: childrenOf(condition).flatMap((id) => x.children.get(id)?.end ?? []),
    signals: x.signals.flatMap(({ waitpointId, suspensionId, ...signal }) =>
      // What it used when it was begun before is its own still.
      (suspensionId === null || suspensionId === item.suspensionId) &&
      waitpointId !== null &&
      named.has(waitpointId)
        ? [{ ...signal, waitpointId }]
        : [],
    ),
  }
  const judged = judgeArrivals(condition, startCondition(condition), arrivals)
  x.suspension = begin(model, item, judged.state)
  if (judged.holds) {
    const resumption = endSuspension(model, x, 'condition')
    return { outcome: 'already_satisfied', resumption: viewResumption(x, resumption) }
  }
  for (const child of childrenOf(condition)) watchChild(model, x, child)
  putToWait(model, x, attempt)
  const { id: suspensionId, timesOutAtMs } = x.suspension
  const answer = { outcome: 'suspended' as const, suspensionId, timesOutAtMs }
  attempt.putDown = { operation: 'suspend', answer }
  return answer
}

function refuse(model: Model, x: ExecutionRecord, item: SuspendItem): Outcome | undefined {
  const conflict = item.waitpoints?.find((waitpoint) => conflictOf(model, x, waitpoint))
  if (conflict !== undefined) return { outcome: 'waitpoint_conflict', waitpointId: conflict.waitpointId }
  const fresh = missingWaitpoints(x, item)
  const full = requireRoom(x, fresh.length)
  if (full !== undefined) return asError(full)
  const own = new Set([...x.waitpoints.map(({ id }) => id), ...fresh.map(({ waitpointId }) => waitpointId)])
  const unknown = waitpointsOf(item.condition).find((id) => !own.has(id))
  if (unknown !== undefined) {
    return asError(engineError('waitpoint_not_found', `${unknown} is no waitpoint of ${x.id}`))
  }
  if (x.flowId !== null && childrenOf(item.condition).includes(x.flowId)) {
    return asError(engineError('condition_unsatisfiable', `${x.id} waits for the end of its own flow`))
  }
  return undefined
}

function asError(error: EngineError): Outcome {
  return { outcome: 'error', error }
}

function missingWaitpoints(x: ExecutionRecord, { waitpoints = [] }: SuspendItem) {
  return waitpoints.filter(({ waitpointId }) => !x.waitpoints.some(({ id }) => id === waitpointId))
}

function begin(model: Model, item: SuspendItem, state: SuspensionRecord['state']): SuspensionRecord {
  const { timeout, resumePolicy = {} } = item
  const sinceMs = model.clock.nowMs()
  return {
    id: item.suspensionId,
    reason: item.reason,
    condition: item.condition,
    sinceMs,
    timesOutAtMs: timeout === undefined ? null : sinceMs + timeout.afterMs,
    timeoutBehaviour: timeout?.behaviour ?? null,
    delayMs: resumePolicy.delayMs ?? 0,
    closesWaitpoints: resumePolicy.closeWaitpoints ?? true,
    escalated: false,
    state,
  }
}

function putToWait(model: Model, x: ExecutionRecord, attempt: AttemptEntry): void {
  attempt.state = 'suspended'
  attempt.usedMs += model.clock.nowMs() - must(x.lease, `the lease of ${x.id}`).startedAtMs
  x.lease = null
  x.readyAtMs = null
  x.resumption = null
  transition(model, x, suspendedVector(must(x.suspension, 'what it waits for').reason, false))
}

/** Whether what is suspended has what it waits for. */
export function holds({ id, suspension }: ExecutionRecord): boolean {
  const { condition, state } = must(suspension, `the suspension of ${id}`)
  return conditionHolds(condition, state)
}

/** The same attempt goes on, after the delay that its suspension asked for. */
export function resume(model: Model, x: ExecutionRecord, by: ResumedBy): void {
  const { delayMs } = must(x.suspension, `the suspension of ${x.id}`)
  endSuspension(model, x, by)
  holdUntil(model, x, model.clock.nowMs() + delayMs, 'resume_delay')
  makeRunnable(model, x, 'attempt_interrupted')
}

/** Writes down how a suspension ended: what it used is used up, and what it waited on is closed. */
function endSuspension(
  model: Model,
  x: ExecutionRecord,
  by: ResumedBy,
): NonNullable<ExecutionRecord['resumption']> {
  const { id, condition, state, closesWaitpoints } = must(x.suspension, `the suspension of ${x.id}`)
  const { signals, children } = evidenceOf(condition, state)
  const used = new Set(signals)
  for (const signal of x.signals) if (used.has(signal.sequence)) signal.suspensionId = id
  const named = new Set(waitpointsOf(condition))
  for (const waitpoint of closesWaitpoints ? x.waitpoints : []) {
    if (named.has(waitpoint.id) && stateOfWaitpoint(model, x, waitpoint) === 'open') waitpoint.closed = true
  }
  x.suspension = null
  x.resumption = { suspensionId: id, by, atMs: model.clock.nowMs(), children }
  return x.resumption
}

/** The condition did not hold in time. */
export function timeOutSuspension(model: Model, x: ExecutionRecord): void {
  const suspension = must(x.suspension, `the suspension of ${x.id}`)
  const failure = { category: 'suspension_timeout', message: 'what it waited for did not come in time' }
  const endedBy = 'suspension_timeout'
  switch (must(suspension.timeoutBehaviour, 'what a timeout does')) {
    case 'fail':
      closeAttempt(model, must(x.attempts.at(-1), 'its attempt'), 'ended_failure', endedBy, failure)
      endExecution(model, x, { outcome: 'failed', failure })
      return
    case 'cancel':
      endExecution(model, x, { outcome: 'cancelled', cause: 'suspension_timeout', endedBy })
      return
    case 'expire':
      endExecution(model, x, { outcome: 'expired', failure, endedBy })
      return
    case 'auto_resume':
      resume(model, x, 'timeout')
      return
    case 'auto_resume_with_timeout_signal':
      sendTimeout(model, x, suspension)
      resume(model, x, 'timeout')
      return
    case 'escalate':
      suspension.escalated = true
      transition(model, x, suspendedVector(suspension.reason, true))
  }
}

function sendTimeout(model: Model, x: ExecutionRecord, { id }: SuspensionRecord): void {
  x.signalSequence += 1
  const signal = {
    sequence: x.signalSequence,
    id: parseSignalId(id),
    waitpointId: null,
    name: 'timeout',
    payload: null,
    source: null,
    receivedAtMs: model.clock.nowMs(),
    idempotencyKey: '',
    suspensionId: id,
  }
  x.signals.push(signal)
  announceSignal(model, x, signal, 'satisfied')
}

/** Tells an execution how one that it may wait for has ended. */
export function hearOfEnd(model: Model, x: ExecutionRecord, end: Parameters<typeof judgeChildEnd>[2]): void {
  if (x.suspension === null) return
  const { state, counted } = judgeChildEnd(x.suspension.condition, x.suspension.state, end)
  if (!counted) return
  x.suspension.state = state
  if (holds(x)) resume(model, x, 'condition')
}
