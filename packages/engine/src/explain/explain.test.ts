import {
  activeVector,
  type Blocks,
  defaultLane,
  defaultNamespace,
  defaultRetryPolicy,
  deriveWaitpointId,
  draftRootVector,
  type Execution,
  type ExplainFacts,
  type FlowState,
  type Join,
  mintExecutionId,
  mintFlowId,
  mintInstanceId,
  mintSuspensionId,
  parseKind,
  parseWorkerId,
  publicStateOf,
  resolveJoin,
  runnableVector,
  type StateVector,
  type SuspensionView,
  suspendedVector,
  terminalVector,
  type Waitpoint,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { explainFrom } from './explain.js'

const nowMs = 1_000_000
const kind = parseKind('resize')
const instanceId = mintInstanceId()
const flowId = mintFlowId()
const free: Blocks = { dependencies: false, held: false, notBeforeMs: null, delayReason: 'start_time' }

function anExecution(state: StateVector, traits: Partial<Execution> = {}): Execution {
  return {
    id: mintExecutionId(0),
    namespace: defaultNamespace,
    flowId: null,
    parent: null,
    name: null,
    kind,
    lane: defaultLane,
    capabilities: [],
    priority: 0,
    tags: {},
    retry: defaultRetryPolicy,
    timeouts: {},
    budgets: [],
    quotas: [],
    state,
    publicState: publicStateOf(state),
    generation: 1,
    epoch: 0,
    attemptCount: 0,
    retryCount: 0,
    reclaimCount: 0,
    replayCount: 0,
    held: false,
    createdAtMs: nowMs - 500,
    firstEligibleAtMs: nowMs - 400,
    readyAtMs: nowMs - 400,
    notBeforeMs: null,
    delayReason: null,
    deadlineAtMs: null,
    lease: null,
    cancelRequested: null,
    cancelCause: null,
    failure: null,
    progress: null,
    terminalAtMs: null,
    ...traits,
  }
}

const aWorker = { instanceId, kinds: [kind], capabilities: ['gpu'], draining: false }

function someFacts(execution: Execution, traits: Partial<ExplainFacts> = {}): ExplainFacts {
  return {
    outcome: 'facts',
    execution,
    nowMs,
    lane: { state: 'active', concurrency: null, active: 0 },
    workers: [aWorker],
    ahead: 0,
    flow: null,
    group: null,
    lastAttempt: null,
    suspension: null,
    demands: null,
    ...traits,
  }
}

function waiting(blocks: Partial<Blocks> = {}, traits: Partial<Execution> = {}): Execution {
  const all = { ...free, ...blocks }
  return anExecution(runnableVector(all, nowMs, 'pending_first_attempt'), {
    held: all.held,
    notBeforeMs: all.notBeforeMs,
    delayReason: all.notBeforeMs === null ? null : all.delayReason,
    ...traits,
  })
}

function aGroup(join: Join | null, decided = false): NonNullable<ExplainFacts['group']> {
  const counters = { n: 3, succeeded: 1, failed: 0, skipped: 0 }
  const upstream = { id: mintExecutionId(0), name: 'thumbnails', publicState: 'active' as const }
  return {
    view: {
      join,
      counters,
      state: decided ? 'satisfied' : 'pending',
      released: false,
      cancelReason: null,
      cancelPending: false,
    },
    join,
    storedPolicy: 'all_of',
    pendingUpstreams: [upstream],
  }
}

function inFlow(state: FlowState, finalisers?: boolean): ExplainFacts['flow'] {
  return { id: flowId, state, finalisers }
}

function reasonsOf(facts: ExplainFacts): readonly string[] {
  return explainFrom(facts).reasons.map(({ reason }) => reason)
}

describe('what has ended or runs', () => {
  it('ended: with its outcome, cause and time', () => {
    const end = explainFrom(
      someFacts(anExecution(terminalVector('cancelled'), { cancelCause: 'sibling', terminalAtMs: 7 })),
    )
    expect(end.dominant).toMatchObject({
      reason: 'ended',
      sinceMs: 7,
      evidence: { outcome: 'cancelled', cancelCause: 'sibling' },
    })
    expect(end.publicState).toBe('cancelled')
  })

  it('running: on which worker, and that it was asked to stop', () => {
    const lease = {
      workerId: parseWorkerId('w1'),
      instanceId,
      attemptIndex: 2,
      startedAtMs: 11,
      expiresAtMs: 99,
      attemptDeadlineAtMs: null,
    }
    const cancelRequested = { graceEndsAtMs: 50, cause: 'operator' as const }
    const { dominant } = explainFrom(someFacts(anExecution(activeVector, { lease, cancelRequested })))
    expect(dominant).toMatchObject({
      reason: 'running',
      sinceMs: 11,
      evidence: { workerId: 'w1', attemptIndex: 2, cancelRequested },
    })
    expect(dominant.releasedBy).toContain('grace')
  })
})

describe('what waits on purpose', () => {
  const executionId = mintExecutionId(0)
  const aWaitpoint = (name: string, state: Waitpoint['state'] = 'open'): Waitpoint => ({
    id: deriveWaitpointId(executionId, name),
    executionId,
    name,
    state,
    createdAtMs: nowMs - 50,
    expiresAtMs: null,
    signalCount: 1,
  })
  const [a, b, other] = [aWaitpoint('a'), aWaitpoint('b'), aWaitpoint('other')]
  const child = mintExecutionId(0)
  const explainWith = (traits: Partial<SuspensionView>, waitpoints: readonly Waitpoint[] = [a, b, other]) => {
    const suspension: SuspensionView = {
      id: mintSuspensionId(0),
      reason: 'signal',
      condition: { kind: 'signal', waitpointId: a.id },
      sinceMs: nowMs - 30,
      timesOutAtMs: null,
      timeoutBehaviour: null,
      escalated: false,
      ...traits,
    }
    const execution = anExecution(suspendedVector('signal', false))
    return explainFrom(someFacts(execution, { suspension }), waitpoints).dominant
  }

  it('suspended: for what, since when, on which of its waitpoints', () => {
    const reason = explainWith({})
    expect(reason).toMatchObject({
      reason: 'suspended',
      message: 'It waits for a signal on a.',
      sinceMs: nowMs - 30,
      releasedBy: 'what it waits for',
      evidence: { blockingReason: 'waiting_for_signal', waitpoints: [a] },
    })
  })

  it.each([
    [{ kind: 'child', id: child } as const, `the end of ${child}`],
    [
      {
        kind: 'signal',
        waitpointId: a.id,
        match: { name: 'yes', payload: { op: 'exists', path: '' } },
      } as const,
      'a signal ‘yes’ with a certain payload on a',
    ],
    [{ kind: 'count', n: 3, of: 'signals', waitpointIds: [a.id] } as const, '3 signals on a'],
    [
      { kind: 'count', n: 2, of: 'waitpoints', waitpointIds: [a.id, b.id], match: { name: 'yes' } } as const,
      'signals ‘yes’ on 2 of a, b',
    ],
    [
      {
        kind: 'all_of',
        of: [
          { kind: 'count', n: 2, of: 'sources', waitpointIds: [a.id] },
          {
            kind: 'any_of',
            of: [
              { kind: 'signal', waitpointId: b.id },
              { kind: 'child', id: child },
            ],
          },
        ],
      } as const,
      `(signals of 2 different sources on a and (a signal on b or the end of ${child}))`,
    ],
  ])('in words: %j', (condition, words) => {
    expect(explainWith({ condition }).message).toBe(`It waits for ${words}.`)
  })

  it('with a timeout: when, and what then', () => {
    const timed = explainWith({ timesOutAtMs: nowMs + 70, timeoutBehaviour: 'expire' })
    expect(timed.message).toBe('It waits for a signal on a. In 70 ms it times out: then it expires.')
    expect(timed.releasedBy).toBe('what it waits for, or its timeout')
    const escalated = explainWith({
      timesOutAtMs: nowMs - 1,
      timeoutBehaviour: 'escalate',
      escalated: true,
    })
    expect(escalated.message).toContain('Its timeout has handed it to an operator.')
    expect(escalated.releasedBy).toContain('a release by an operator')
  })

  it('on waitpoints that take no more, says so', () => {
    expect(explainWith({}, [aWaitpoint('a', 'closed')]).message).toBe(
      'It waits for a signal on a. No more signals come to a (closed).',
    )
    // Which were not read are named by their ids.
    expect(explainWith({}, []).message).toBe(`It waits for a signal on ${a.id}.`)
  })
})

describe('what waits for others', () => {
  it('dependencies: how many upstreams did what, and which have not ended', () => {
    const { dominant } = explainFrom(
      someFacts(waiting({ dependencies: true }), {
        group: aGroup(resolveJoin(undefined)),
        flow: inFlow('open'),
      }),
    )
    expect(dominant).toMatchObject({
      reason: 'dependencies',
      sinceMs: nowMs - 500,
      evidence: { counters: { n: 3, succeeded: 1 }, pendingUpstreams: [{ name: 'thumbnails' }] },
    })
    expect(dominant.message).toContain(
      '1 of 3 upstreams succeeded, 0 did not, 2 have not ended: thumbnails, …',
    )
  })

  it('a decided join that waits for the last upstream says so', () => {
    const join = resolveJoin({ policy: { kind: 'any_of' }, settled: true })
    const { dominant } = explainFrom(
      someFacts(waiting({ dependencies: true }), { group: aGroup(join, true) }),
    )
    expect(dominant.reason).toBe('dependencies')
    expect(dominant.releasedBy).toBe('the end of its last upstream')
  })

  it('a stored policy that this version doesn’t know is named', () => {
    const group = { ...aGroup(null), storedPolicy: '{"kind":"majority"}' }
    const { dominant } = explainFrom(someFacts(waiting({ dependencies: true }), { group }))
    expect(dominant).toMatchObject({
      reason: 'unknown_policy',
      evidence: { storedPolicy: '{"kind":"majority"}' },
    })
  })

  it('a draft comes first, for its roots and for its other members', () => {
    expect(reasonsOf(someFacts(anExecution(draftRootVector), { flow: inFlow('draft') }))).toEqual([
      'draft_flow',
    ])
    const member = someFacts(waiting({ dependencies: true }), {
      flow: inFlow('draft'),
      group: aGroup(resolveJoin(undefined)),
    })
    expect(reasonsOf(member)).toEqual(['draft_flow', 'dependencies'])
  })

  it('a cancelling flow starts nothing but the finalisers that it spares', () => {
    const released = (join: Join) => {
      const group = aGroup(join)
      return { ...group, view: { ...group.view, released: true } }
    }
    const always = resolveJoin({ runOn: 'always' })
    const plain = resolveJoin(undefined)
    const facts = (join: Join, finalisers?: boolean) =>
      someFacts(waiting(), { flow: inFlow('cancelling', finalisers), group: released(join) })
    expect(reasonsOf(facts(plain))).toEqual(['cancelling_flow'])
    expect(reasonsOf(facts(always))).toEqual(['queued'])
    expect(reasonsOf(facts(always, false))).toEqual(['cancelling_flow'])
    expect(reasonsOf(someFacts(waiting(), { flow: inFlow('replaying') }))).toEqual(['replaying_flow'])
    expect(reasonsOf(someFacts(waiting(), { flow: inFlow('cancelled') }))).toEqual(['queued'])
  })
})

describe('what is held or early', () => {
  it('held by an operator', () => {
    expect(explainFrom(someFacts(waiting({ held: true }))).dominant).toMatchObject({
      reason: 'held',
      releasedBy: 'a release by an operator',
    })
  })

  it.each([
    ['start_time', 'start_time'],
    ['retry_backoff', 'retry_backoff'],
    ['reclaim_backoff', 'reclaim_backoff'],
    ['resume_delay', 'delay'],
  ] as const)('time: %s', (delayReason, reason) => {
    const execution = waiting({ notBeforeMs: nowMs + 250, delayReason })
    const { dominant } = explainFrom(someFacts(execution))
    expect(dominant).toMatchObject({ reason, evidence: { untilMs: nowMs + 250 } })
    expect(dominant.message).toContain('in 250 ms')
  })

  it('a delay that its own handler asked for', () => {
    const blocks = { ...free, notBeforeMs: nowMs + 9 }
    const execution = anExecution(runnableVector(blocks, nowMs, 'attempt_interrupted'), {
      notBeforeMs: nowMs + 9,
      delayReason: 'start_time',
    })
    expect(explainFrom(someFacts(execution)).dominant.reason).toBe('delay')
  })

  it('all that holds it back is listed, in the order of the vector', () => {
    const facts = someFacts(waiting({ dependencies: true, held: true, notBeforeMs: nowMs + 5 }), {
      group: aGroup(resolveJoin(undefined)),
      lane: { state: 'paused', concurrency: null, active: 0 },
      workers: [],
    })
    expect(reasonsOf(facts)).toEqual(['dependencies', 'held', 'start_time', 'lane_paused', 'no_worker'])
  })
})

describe('what could start', () => {
  it('waits for its turn: how many are ahead, since when', () => {
    const { dominant } = explainFrom(someFacts(waiting(), { ahead: 12 }))
    expect(dominant).toMatchObject({
      reason: 'queued',
      sinceMs: nowMs - 400,
      evidence: { ahead: 12, workers: 1, afterReclaim: false },
    })
    expect(explainFrom(someFacts(waiting())).dominant.message).toContain('it is next')
  })

  it.each([
    ['paused', 'lane_paused'],
    ['disabled', 'lane_disabled'],
    ['draining', 'queued'],
    ['active', 'queued'],
  ] as const)('on a lane that is %s: %s', (state, reason) => {
    const facts = someFacts(waiting(), { lane: { state, concurrency: null, active: 0 } })
    expect(explainFrom(facts).dominant.reason).toBe(reason)
  })

  it('on a lane that runs as many as it may', () => {
    const full = someFacts(waiting(), { lane: { state: 'active', concurrency: 4, active: 4 } })
    expect(explainFrom(full).dominant).toMatchObject({
      reason: 'lane_concurrency',
      evidence: { concurrency: 4, active: 4 },
    })
    const room = someFacts(waiting(), { lane: { state: 'active', concurrency: 4, active: 3 } })
    expect(explainFrom(room).dominant.reason).toBe('queued')
  })

  it('without any worker', () => {
    expect(explainFrom(someFacts(waiting(), { workers: [] })).dominant.reason).toBe('no_worker')
  })

  it('without one that serves it: by kind, by capability, by draining', () => {
    const needs = { capabilities: ['gpu', 'avx'] }
    const byKind = someFacts(waiting(), { workers: [{ ...aWorker, kinds: [parseKind('other')] }] })
    expect(explainFrom(byKind).dominant).toMatchObject({
      reason: 'no_capable_worker',
      evidence: { workers: 1, servingKind: 0 },
    })
    const bare = { ...aWorker, capabilities: [] }
    const byCapability = someFacts(waiting({}, needs), { workers: [bare, aWorker] })
    expect(explainFrom(byCapability).dominant).toMatchObject({
      reason: 'no_capable_worker',
      evidence: { servingKind: 2, missing: ['avx'] },
    })
    const byDraining = someFacts(waiting(), { workers: [{ ...aWorker, draining: true }] })
    expect(explainFrom(byDraining).dominant).toMatchObject({
      reason: 'no_capable_worker',
      evidence: { draining: 1, missing: [] },
    })
  })
})

it('a block without words is shown as it is, never as a place in the queue', () => {
  const state: StateVector = {
    ...runnableVector(free, nowMs, 'pending_first_attempt'),
    eligibilityState: 'blocked_by_quota',
    blockingReason: 'waiting_for_quota',
  }
  expect(explainFrom(someFacts(anExecution(state))).dominant).toMatchObject({
    reason: 'blocked',
    evidence: { eligibilityState: 'blocked_by_quota', blockingReason: 'waiting_for_quota' },
  })
})
