import {
  type AttemptType,
  admit,
  type ClaimedExecution,
  type ClaimOutcome,
  type ClaimRequest,
  limits,
  must,
  parseLeaseId,
} from '@flowfabric/core'
import { flowFactsOf, flowOf, isActive, isAlwaysNode, isPastDeadline } from './facts.js'
import { laneOf } from './lane-records.js'
import type { AttemptEntry, ExecutionRecord } from './records.js'
import type { Model } from './store.js'
import { makeActive } from './transition.js'
import { handleOf, inlineWithin, viewResumption, viewUpstream } from './views.js'

/** What is claimable now, best first, each under a new lease; nothing when there is none. */
export function claimNow(model: Model, request: ClaimRequest): ClaimedExecution[] {
  const repeated = [...model.executions.values()].filter(
    ({ lease }) => lease?.instanceId === request.instanceId && lease.claimId === request.claimId,
  )
  if (repeated.length > 0) return repeated.sort(byPlace).map((x) => viewClaimed(model, x))

  const claimed: ClaimedExecution[] = []
  for (const x of [...model.executions.values()].filter((x) => isServed(x, request)).sort(byPlace)) {
    if (claimed.length === request.max) break
    if (model.claimOnly?.has(x.id) === false || !isClaimable(model, x, request)) continue
    lease(model, x, request)
    claimed.push(viewClaimed(model, x))
  }
  return claimed
}

/** What a claim could hand out now, best first, each for itself; changes nothing. */
export function claimableNow(model: Model, request: ClaimRequest): ExecutionRecord[] {
  return [...model.executions.values()]
    .filter((x) => isServed(x, request))
    .sort(byPlace)
    .filter((x) => isClaimable(model, x, request))
}

export function emptyClaim(model: Model, request: ClaimRequest): ClaimOutcome {
  const due = [...model.executions.values()]
    .filter((x) => serves(x, request) && x.state.eligibilityState === 'not_eligible_until_time')
    .map((x) => must(x.notBeforeMs, `until when ${x.id} waits`))
  return due.length === 0 ? { outcome: 'empty' } : { outcome: 'empty', nextDueAtMs: Math.min(...due) }
}

function byPlace(a: ExecutionRecord, b: ExecutionRecord): number {
  return must(a.score, 'a score') - must(b.score, 'a score') || a.sequence - b.sequence
}

function serves(x: ExecutionRecord, request: ClaimRequest): boolean {
  return (
    request.namespaces.includes(x.namespace) &&
    request.lanes.includes(x.lane) &&
    request.kinds.includes(x.kind)
  )
}

function isServed(x: ExecutionRecord, request: ClaimRequest): boolean {
  return x.state.eligibilityState === 'eligible_now' && serves(x, request)
}

/** Judged right before each lease, since the lease before it may have filled the lane. */
function isClaimable(model: Model, x: ExecutionRecord, request: ClaimRequest): boolean {
  if (isPastDeadline(x, model.clock.nowMs())) return false
  const lane = laneOf(model, x.namespace, x.lane)
  const active = [...model.executions.values()].filter(
    (other) => other.namespace === x.namespace && other.lane === x.lane && isActive(other),
  )
  return admit({
    laneState: lane.state,
    laneConcurrency: lane.concurrency,
    laneActive: active.length,
    requiredCapabilities: x.capabilities,
    advertisedCapabilities: new Set(request.capabilities),
    flow: flowFactsOf(flowOf(model, x)),
    alwaysNode: isAlwaysNode(model, x),
  }).admitted
}

function lease(model: Model, x: ExecutionRecord, request: ClaimRequest): void {
  const nowMs = model.clock.nowMs()
  const leaseId = parseLeaseId(model.random.uuid())
  const { workerId, instanceId, claimId } = request
  x.epoch += 1
  const attempt = x.state.attemptState === 'pending_resume' ? resumeAttempt(x) : beginAttempt(x, nowMs)
  Object.assign(attempt, { epoch: x.epoch, leaseId, workerId, instanceId })
  const { attemptTimeoutMs } = x.timeouts
  makeActive(model, x, {
    leaseId,
    claimId,
    workerId,
    instanceId,
    startedAtMs: nowMs,
    expiresAtMs: nowMs + request.leaseTtlMs,
    // Active time only: what the attempt used under earlier leases is taken off.
    attemptDeadlineAtMs: attemptTimeoutMs === undefined ? null : nowMs + attemptTimeoutMs - attempt.usedMs,
    before: x.state,
  })
}

function resumeAttempt(x: ExecutionRecord): AttemptEntry {
  const attempt = must(x.attempts.at(-1), `the attempt of ${x.id} that goes on`)
  attempt.state = 'started'
  attempt.putDown = null
  attempt.hasEffects = true
  return attempt
}

function beginAttempt(x: ExecutionRecord, nowMs: number): AttemptEntry {
  const type = attemptTypeOf(x)
  if (type !== 'reclaim') x.retryCount += 1
  const attempt = {
    index: x.attempts.length,
    type,
    generation: x.generation,
    startedAtMs: nowMs,
    state: 'started',
    endedAtMs: null,
    endedBy: null,
    late: false,
    failure: null,
    usedMs: 0,
    hasEffects: false,
    putDown: null,
    stream: null,
    // Whose it is follows from the lease, for a new attempt as for one that goes on.
  } satisfies Partial<AttemptEntry> as AttemptEntry
  x.attempts.push(attempt)
  return attempt
}

function attemptTypeOf(x: ExecutionRecord): AttemptType {
  switch (x.state.attemptState) {
    case 'pending_first_attempt':
      return 'initial'
    case 'pending_retry_attempt':
      return 'retry'
    case 'pending_reclaim_attempt':
      return 'reclaim'
    case 'pending_replay_attempt':
      return 'replay'
    default:
      throw new Error(`no attempt begins from ${x.state.attemptState}`)
  }
}

function viewClaimed(model: Model, x: ExecutionRecord): ClaimedExecution {
  const held = must(x.lease, `the lease of ${x.id}`)
  const attempt = must(x.attempts.at(-1), `the attempt of ${x.id}`)
  const upstream = viewUpstream(model, flowOf(model, x), x)
  const results = [...upstream, ...x.steps].map(({ result }) => result)
  const inline = inlineWithin(results, limits.inlineUpstreamBytesMax)
  const upstreamCount = Math.min(inline, upstream.length)
  const stepCount = Math.max(0, inline - upstream.length)
  return {
    executionId: x.id,
    namespace: x.namespace,
    flowId: x.flowId,
    name: x.name,
    kind: x.kind,
    lane: x.lane,
    priority: x.priority,
    input: x.input,
    attemptIndex: attempt.index,
    attemptType: attempt.type,
    generation: x.generation,
    handle: handleOf(x, held),
    leaseExpiresAtMs: held.expiresAtMs,
    attemptDeadlineAtMs: held.attemptDeadlineAtMs,
    claimedAtMs: held.startedAtMs,
    upstream: upstream.slice(0, upstreamCount),
    upstreamTruncated: upstreamCount < upstream.length,
    steps: x.steps.slice(0, stepCount),
    stepsTruncated: stepCount < x.steps.length,
    resumption: x.resumption === null ? null : viewResumption(x, x.resumption),
    tags: x.tags,
    traceContext: x.traceContext,
  }
}

/** A claim that goes along with another operation. */
export function claimNext(model: Model, next: ClaimRequest | undefined): ClaimedExecution[] {
  return next === undefined ? [] : claimNow(model, next)
}
