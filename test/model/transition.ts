import {
  type AttemptState,
  activeVector,
  type CancelCause,
  type EndedBy,
  type EntryId,
  type Failure,
  must,
  type OwnershipState,
  parseEntryId,
  partitionTagOf,
  type RecordedOutcome,
  runnableVector,
  type StateVector,
  terminalVector,
} from '@flowfabric/core'
import { flowOf, isActive, isTerminal, timerOf } from './facts.js'
import { stopChildren, tellOfOwnEnd } from './family.js'
import { announceExecution, hint } from './feed.js'
import { giveBack } from './holdings.js'
import { laneOf } from './lane-records.js'
import type { AttemptEntry, ExecutionRecord, Lease } from './records.js'
import type { Model } from './store.js'

/**
 * The one function that moves an execution: it writes the vector, appends the event, leaves the completion of what has
 * ended in the outbox, and hints. So no transition can forget one of them.
 */
export function transition(model: Model, x: ExecutionRecord, state: StateVector): void {
  if (isActive(x) && state.lifecyclePhase !== 'active') giveBack(model, x)
  if (state.blockingReason !== 'waiting_for_quota' && state.blockingReason !== 'waiting_for_budget')
    x.refused = null
  x.state = state
  announceExecution(model, x)
  const flow = flowOf(model, x)
  if (flow !== null) {
    flow.changed = true
    flow.changedAtMs = model.clock.nowMs()
  }
  if (isTerminal(x)) {
    leaveCompletion(model, x)
    tellOfOwnEnd(model, x)
    stopChildren(model, x)
    hint(model, { type: 'ended', id: x.id })
  }
  if (state.eligibilityState === 'eligible_now') {
    hint(model, { type: 'ready', namespace: x.namespace, lane: x.lane, count: 1 })
  }
  const timer = timerOf(x)
  if (timer !== null) hint(model, { type: 'due', partition: partitionTagOf(x.id), dueAtMs: timer.dueAtMs })
}

/** A member's end concerns its downstreams; a solo execution's concerns nobody, but is dispatched too when nothing is inline. */
function leaveCompletion(model: Model, x: ExecutionRecord): void {
  if (x.flowId === null && model.options.inlineResolveEdges > 0) return
  const entry = {
    id: mintEntry(model, partitionTagOf(x.id)),
    kind: 'completion' as const,
    flowId: x.flowId,
    executionId: x.id,
    generation: x.generation,
    graphRevision: 0,
  }
  model.outbox.set(entry.id, entry)
  model.fresh.push(entry)
  hint(model, { type: 'outbox', partition: partitionTagOf(x.id) })
}

export function mintEntry(model: Model, partition: string): EntryId {
  return parseEntryId(`${partition}:${model.random.uuid()}`)
}

/** Puts an execution among the runnable, under whatever blocks it has now. */
export function makeRunnable(
  model: Model,
  x: ExecutionRecord,
  attemptState: AttemptState,
  options: { readonly ownership?: OwnershipState; readonly eligibleAtMs?: number } = {},
): void {
  const nowMs = model.clock.nowMs()
  const blocks = {
    dependencies: x.blockedByDependencies,
    held: x.held,
    notBeforeMs: x.notBeforeMs,
    delayReason: x.delayReason ?? 'start_time',
  }
  const vector = runnableVector(blocks, nowMs, attemptState, options.ownership)
  x.lease = null
  if (vector.eligibilityState !== 'eligible_now') {
    transition(model, x, vector)
    return
  }
  x.notBeforeMs = null
  x.delayReason = null
  const atMs = options.eligibleAtMs ?? nowMs
  x.firstEligibleAtMs ??= atMs
  if (x.readyAtMs === null) {
    x.readyAtMs = atMs
    writeScore(model, x)
  }
  // An attempt that was put aside goes on once nothing blocks it any more.
  const resumed = attemptState === 'attempt_interrupted' ? 'pending_resume' : attemptState
  transition(model, x, { ...vector, attemptState: resumed })
}

/** Judges the blocks again, after one of them was put or lifted. */
export function rejudgeBlocks(model: Model, x: ExecutionRecord, eligibleAtMs?: number): void {
  const { attemptState, ownershipState } = x.state
  makeRunnable(model, x, attemptState, {
    ownership: ownershipState,
    ...(eligibleAtMs === undefined ? {} : { eligibleAtMs }),
  })
}

/** What claims queue by. Only a change of ready time or priority writes it, so that changed ageing holds for later work. */
export function writeScore(model: Model, x: ExecutionRecord): void {
  if (x.readyAtMs === null) return
  const step = laneOf(model, x.namespace, x.lane).ageingMs ?? STEP_WITHOUT_AGEING_MS
  x.score = x.readyAtMs - x.priority * step
}

const STEP_WITHOUT_AGEING_MS = 1_000_000_000_000

/** Sets a time before which the execution may not start; one that is not in the future is none. */
export function holdUntil(
  model: Model,
  x: ExecutionRecord,
  atMs: number,
  reason: NonNullable<ExecutionRecord['delayReason']>,
): void {
  const isLater = atMs > model.clock.nowMs()
  x.notBeforeMs = isLater ? atMs : null
  x.delayReason = isLater ? reason : null
}

/** Makes an execution active under a new lease. */
export function makeActive(model: Model, x: ExecutionRecord, lease: Lease): void {
  x.lease = lease
  x.claimed = true
  x.yielded = null
  transition(model, x, activeVector)
}

/** How an execution ends. */
export interface End {
  readonly outcome: RecordedOutcome
  /** Of `cancelled`. */
  readonly cause?: CancelCause
  /** Of `failed` and `expired`. */
  readonly failure?: Failure
  /** Of `success`. */
  readonly result?: ExecutionRecord['result']
  /** Closes an attempt that is still open. */
  readonly endedBy?: EndedBy
}

/** Ends an execution: every terminal transition goes through here. */
export function endExecution(model: Model, x: ExecutionRecord, end: End): void {
  const open = x.attempts.at(-1)
  if (open !== undefined && (open.state === 'started' || open.state === 'suspended')) {
    closeAttempt(model, open, 'ended_cancelled', must(end.endedBy, `what ends the attempt of ${x.id}`))
  }
  if (x.lease !== null) hint(model, { type: 'attention', executionId: x.id })
  x.lease = null
  x.suspension = null
  x.blockedByDependencies = false
  x.held = false
  x.notBeforeMs = null
  x.delayReason = null
  x.cancelRequested = null
  x.cancelCause = end.cause ?? null
  x.failure = end.failure ?? null
  x.result = end.result ?? null
  x.terminalAtMs = model.clock.nowMs()
  x.keptUntilMs = x.terminalAtMs + (x.retentionMs ?? laneOf(model, x.namespace, x.lane).retentionMs)
  transition(model, x, terminalVector(end.outcome))
}

/** Ends an execution as cancelled. Whoever asked first is the cause. */
export function cancelExecution(model: Model, x: ExecutionRecord, cause: CancelCause): void {
  endExecution(model, x, {
    outcome: 'cancelled',
    cause: x.cancelRequested?.cause ?? cause,
    endedBy: 'cancel',
  })
}

export function closeAttempt(
  model: Model,
  attempt: AttemptEntry,
  state: AttemptEntry['state'],
  endedBy: EndedBy,
  failure: Failure | null = null,
): void {
  attempt.state = state
  attempt.endedBy = endedBy
  attempt.endedAtMs = model.clock.nowMs()
  attempt.failure = failure
}
