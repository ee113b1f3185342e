import {
  type Admission,
  type AttemptType,
  admit,
  type ClaimedExecution,
  type ClaimOutcome,
  type ClaimRequest,
  limits,
  must,
  parseLeaseId,
  partitionTagOf,
} from '@flowfabric/core'
import { flowFactsOf, flowOf, isActive, isAlwaysNode, isPastDeadline } from './facts.js'
import { demandFactsOf, takeDemands } from './holdings.js'
import { laneOf } from './lane-records.js'
import { park, parkedHeadOf } from './parking.js'
import type { AttemptEntry, ExecutionRecord } from './records.js'
import { step } from './step.js'
import type { Model } from './store.js'
import { cancelExecution, makeActive } from './transition.js'
import { handleOf, inlineWithin, viewResumption, viewUpstream } from './views.js'

/** What is claimable now, each under a new lease, and in each line best first; nothing when there is none. */
export function claimNow(model: Model, request: ClaimRequest): ClaimedExecution[] {
  const repeated = [...model.executions.values()].filter(
    ({ lease }) => lease?.instanceId === request.instanceId && lease.claimId === request.claimId,
  )
  if (repeated.length > 0) return repeated.sort(byPlace).map((x) => viewClaimed(model, x))
  return step(model, () => takeFromLines(model, request))
}

function takeFromLines(model: Model, request: ClaimRequest): ClaimedExecution[] {
  const lines = linesOf(model, request)
  const claimed: ClaimedExecution[] = []
  let drops = 0
  for (let line = nextLine(model, lines); line !== undefined; line = nextLine(model, lines)) {
    if (claimed.length === request.max || drops === limits.claimDropsMax) break
    const x = must(line.queue.shift(), 'the head of a line')
    if (model.claimOnly?.has(x.id) === false) continue
    const judged = judge(model, x, request)
    if (judged.admitted) {
      takeDemands(model, x)
      lease(model, x, request)
      claimed.push(viewClaimed(model, x))
      model.sequence += 1
      model.turns.set(line.name, model.sequence)
    } else if (judged.by === 'quota' && judged.strategy === 'drop_new') {
      cancelExecution(model, x, 'quota')
      drops += 1
    } else if (judged.by === 'quota' || judged.by === 'budget') {
      park(model, x, judged)
      line.queue.length = 0
    }
  }
  return claimed
}

/** What is claimed in its order: all of a partition with one admission key, and all without one. */
interface Line {
  readonly name: string
  readonly queue: ExecutionRecord[]
}

/** What a claim looks at, each line in its order; parked ones are left out. */
export function linesOf(model: Model, request: ClaimRequest): Line[] {
  const lines = new Map<string, Line>()
  const parked = new Set([...model.executions.values()].filter((x) => x.refused !== null).map(lineOf))
  for (const x of [...model.executions.values()].filter((x) => isServed(x, request)).sort(byPlace)) {
    const name = lineOf(x)
    if (parked.has(name)) continue
    const line = lines.get(name) ?? { name, queue: [] }
    line.queue.push(x)
    lines.set(name, line)
  }
  return [...lines.values()]
}

export function lineOf({ id, admissionKey }: ExecutionRecord): string {
  return admissionKey === '' ? '' : `${partitionTagOf(id)} ${admissionKey}`
}

/** The line with the most urgent head; among equals the one that has waited longest for its turn. */
function nextLine(model: Model, lines: readonly Line[]): Line | undefined {
  if (lines.length === 1) return lines[0]?.queue.length === 0 ? undefined : lines[0]
  const turnOf = ({ name }: Line) => model.turns.get(name) ?? 0
  return lines
    .filter(({ queue }) => queue.length > 0)
    .sort((a, b) => {
      const [x, y] = [must(a.queue[0], 'a head'), must(b.queue[0], 'a head')]
      return urgencyOf(model, y) - urgencyOf(model, x) || turnOf(a) - turnOf(b) || byPlace(x, y)
    })[0]
}

/** Its priority, and a step for each interval of its lane's ageing that it has waited. */
function urgencyOf(model: Model, x: ExecutionRecord): number {
  const { ageingMs } = laneOf(model, x.namespace, x.lane)
  const waitedMs = model.clock.nowMs() - must(x.readyAtMs, 'when it became ready')
  return x.priority + (ageingMs === null ? 0 : Math.floor(waitedMs / ageingMs))
}

/** What a claim could hand out now, best first, each for itself; changes nothing. */
export function claimableNow(model: Model, request: ClaimRequest): ExecutionRecord[] {
  return [...model.executions.values()]
    .filter((x) => isServed(x, request) && parkedHeadOf(model, x) === undefined)
    .sort(byPlace)
    .filter((x) => judge(model, x, request).admitted)
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

/** Judged right before each lease, since the lease before it may have taken the last room. */
function judge(
  model: Model,
  x: ExecutionRecord,
  request: ClaimRequest,
): Admission | { admitted: false; by: 'time' } {
  if (isPastDeadline(x, model.clock.nowMs())) return { admitted: false, by: 'time' }
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
    demands: demandFactsOf(model, x),
  })
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
    budgets: x.demands.budgets,
    tags: x.tags,
    traceContext: x.traceContext,
  }
}

/** A claim that goes along with another operation. */
export function claimNext(model: Model, next: ClaimRequest | undefined): ClaimedExecution[] {
  return next === undefined ? [] : claimNow(model, next)
}
