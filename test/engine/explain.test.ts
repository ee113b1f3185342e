import {
  type ExecutionId,
  mintExecutionId,
  mintInstanceId,
  mintSuspensionId,
  mintWaitpointId,
  must,
  parseKind,
  parseWorkerId,
  partitionIndexOf,
  type WorkerBackend,
} from '@flowfabric/core'
import type { Engine, Explanation } from '@flowfabric/engine'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { flowPartitions, settle } from '../support/drive.js'
import { FlowDriver, type GraphPlan } from '../support/flow-driver.js'
import { kind, lane, namespace, openStage, type Stage } from './stage.js'

let stage: Stage
let engine: Engine

beforeEach(async () => {
  stage = openStage({ partitionCount: 2 })
  engine = stage.openEngine({ scanners: [] })
  await engine.start()
})

afterEach(() => stage.close())

const explain = (id: ExecutionId): Promise<Explanation> => engine.explain({ namespace, id })

async function reasonOf(id: ExecutionId): Promise<string> {
  return (await explain(id)).dominant.reason
}

/** A registered instance that could do everything in these tests, unless it says otherwise. */
async function register(backend: WorkerBackend, capabilities: readonly string[] = ['gpu'], ofLane = lane) {
  const instanceId = mintInstanceId()
  await backend.workers.register({
    namespaces: [namespace],
    workerId: parseWorkerId('w'),
    instanceId,
    lanes: [ofLane],
    kinds: [kind, parseKind('a'), parseKind('b'), parseKind('always')],
    capabilities,
    concurrency: 1,
  })
  return instanceId
}

/** Whether a claim by a worker that serves everything hands it out. The claim is undone. */
async function isClaimable(id: ExecutionId): Promise<boolean> {
  const { execution } = await stage.model.executions.get({ namespace, id })
  const answer = await stage.model.leases.claim(
    stage.aClaim({
      lanes: [execution.lane],
      kinds: [execution.kind],
      capabilities: ['gpu'],
      max: 100,
      waitMs: 0,
    }),
  )
  const leases = answer.outcome === 'claimed' ? answer.leases : []
  const items = leases.map(({ handle }) => ({ handle }))
  if (items.length > 0) await stage.model.leases.yield({ namespaces: [namespace], items })
  return leases.some(({ executionId }) => executionId === id)
}

/** The answer and the claim must agree: `queued` exactly when someone who can may have it. */
async function expectReason(id: ExecutionId, reason: string): Promise<void> {
  const { dominant } = await explain(id)
  expect(dominant.reason).toBe(reason)
  expect(dominant.message).toMatch(/\.$/)
  expect(dominant.releasedBy).not.toBe('')
  expect(await isClaimable(id)).toBe(reason === 'queued')
}

const submitFlow = (plan: GraphPlan) =>
  FlowDriver.submit({ backend: stage.model, namespace, partitions: flowPartitions(2) }, plan)

describe('explain says of a solo execution', () => {
  it('that it waits for its turn, behind how many', async () => {
    await register(engine.backend)
    for (let each = 0; each < 3; each++) await stage.submit()
    const id = await stage.submit()
    await expectReason(id, 'queued')
    expect((await explain(id)).dominant.evidence).toMatchObject({ ahead: 3, workers: 1 })
  })

  it('that an operator holds it, until it is released', async () => {
    await register(engine.backend)
    const id = await stage.submit()
    await engine.backend.executions.hold({ namespace, id })
    await expectReason(id, 'held')
    await engine.backend.executions.release({ namespace, id })
    await expectReason(id, 'queued')
  })

  it('that it is suspended, on what and until when, and when that has come to an operator', async () => {
    const id = await stage.submit()
    const claim = await engine.backend.leases.claim(stage.aClaim())
    if (claim.outcome !== 'claimed') throw new Error('nothing to claim')
    const { handle } = must(claim.leases[0], 'a lease')
    const partition = partitionIndexOf(id)
    const waitpointId = mintWaitpointId(partition)
    await stage.model.suspensions.suspend({
      namespaces: [namespace],
      items: [
        {
          handle,
          suspensionId: mintSuspensionId(partition),
          reason: 'approval',
          condition: { kind: 'signal', waitpointId },
          waitpoints: [{ waitpointId, name: 'approval' }],
          timeout: { afterMs: 1_000, behaviour: 'escalate' },
        },
      ],
    })
    const sinceMs = await stage.model.maintenance.serverTimeMs()
    expect((await explain(id)).dominant).toMatchObject({
      reason: 'suspended',
      evidence: { blockingReason: 'waiting_for_approval', suspension: { timesOutAtMs: sinceMs + 1_000 } },
      sinceMs,
      releasedBy: 'what it waits for, or its timeout',
    })
    await stage.clock.advance(1_000)
    await settle(stage.model, flowPartitions(2))
    expect((await explain(id)).dominant).toMatchObject({
      evidence: { blockingReason: 'paused_by_operator', suspension: { escalated: true } },
      releasedBy: 'what it waits for, or a release by an operator',
    })
  })

  it('that its time has not come', async () => {
    const id = await stage.submit({ delayMs: 5_000 })
    await expectReason(id, 'start_time')
    expect((await explain(id)).dominant.evidence).toEqual({
      untilMs: (await stage.model.maintenance.serverTimeMs()) + 5_000,
    })
  })

  it('that it waits for its next attempt, and why the last one failed', async () => {
    await register(engine.backend)
    const id = await stage.submit()
    const claim = await engine.backend.leases.claim(stage.aClaim())
    if (claim.outcome !== 'claimed') throw new Error('nothing to claim')
    expect(await reasonOf(id)).toBe('running')
    const handle = must(claim.leases[0], 'a lease').handle
    const failure = { category: 'error', message: 'disk on fire' }
    const items = [{ handle, failure, retry: { afterMs: 7_000 } }]
    await engine.backend.leases.fail({ namespaces: [namespace], items })
    await expectReason(id, 'retry_backoff')
    expect((await explain(id)).dominant.evidence).toMatchObject({ retryCount: 1, failure })
  })

  it('that its handler put it off', async () => {
    const id = await stage.submit()
    const claim = await engine.backend.leases.claim(stage.aClaim())
    if (claim.outcome !== 'claimed') throw new Error('nothing to claim')
    const untilMs = (await stage.model.maintenance.serverTimeMs()) + 60_000
    const items = [{ handle: must(claim.leases[0], 'a lease').handle, untilMs }]
    await engine.backend.leases.delay({ namespaces: [namespace], items })
    await expectReason(id, 'delay')
  })

  it.each([
    ['paused', 'lane_paused'],
    ['disabled', 'lane_disabled'],
    ['draining', 'queued'],
  ] as const)('that its lane is %s: %s', async (state, reason) => {
    await register(engine.backend)
    const id = await stage.submit()
    await engine.backend.lanes.setState({ namespace, lane, state })
    await expectReason(id, reason)
  })

  it('that its lane runs as many as it may', async () => {
    await register(engine.backend)
    await engine.backend.lanes.configure({ namespace, lane, settings: { concurrency: 1 } })
    await stage.submit()
    const id = await stage.submit()
    await engine.backend.leases.claim(stage.aClaim())
    await expectReason(id, 'lane_concurrency')
  })

  it('that nobody who could do it is there', async () => {
    const id = await stage.submit({ capabilities: ['gpu'] })
    expect(await reasonOf(id)).toBe('no_worker')
    await register(engine.backend, ['avx'])
    expect((await explain(id)).dominant).toMatchObject({
      reason: 'no_capable_worker',
      evidence: { missing: ['gpu'] },
    })
    const instanceId = await register(engine.backend, ['gpu'])
    await expectReason(id, 'queued')
    await engine.backend.workers.drain({ namespace, instanceId })
    expect((await explain(id)).dominant).toMatchObject({
      reason: 'no_capable_worker',
      evidence: { draining: 1 },
    })
  })

  it('that it has ended, and how', async () => {
    const id = await stage.submit()
    await engine.backend.executions.cancel({ namespace, id })
    await expectReason(id, 'ended')
    expect((await explain(id)).dominant.evidence).toMatchObject({ cancelCause: 'operator' })
  })

  it('nothing when there is no such execution', async () => {
    await expect(explain(mintExecutionId(0))).rejects.toMatchObject({ code: 'execution_not_found' })
  })
})

describe('explain says of a member', () => {
  it('which upstreams it waits for', async () => {
    const flow = await submitFlow({ a: {}, b: { after: ['a'] } })
    await register(engine.backend, [], flow.lane)
    await expectReason(flow.id('b'), 'dependencies')
    expect((await explain(flow.id('b'))).dominant.evidence).toMatchObject({
      counters: { n: 1, succeeded: 0 },
      pendingUpstreams: [{ name: 'a', publicState: 'waiting' }],
    })
    await flow.end('a', 'success')
    await expectReason(flow.id('b'), 'queued')
  })

  it('stored policy of a newer version: that it waits for an engine that knows it', async () => {
    const flow = await submitFlow({ a: {}, b: { after: ['a'] } })
    const group = must(stage.model.store.flows.get(flow.flowId)?.groups.get(flow.id('b')), 'the group')
    Object.assign(group, { join: null, storedPolicy: '{"kind":"majority"}' })
    await flow.end('a', 'success')
    await expectReason(flow.id('b'), 'unknown_policy')
    expect((await explain(flow.id('b'))).dominant.evidence).toMatchObject({
      storedPolicy: '{"kind":"majority"}',
    })
  })

  it('that its flow is a draft', async () => {
    const flowId = engine.router.mintFlowId()
    await engine.backend.flows.createDraft({ namespace, flowId })
    const id = engine.router.mintMemberId(flowId)
    const nodes = [{ id, kind, lane, input: null }]
    await engine.backend.flows.extend({ namespace, flowId, nodes, edges: [] })
    await expectReason(id, 'draft_flow')
    await engine.backend.flows.seal({ namespace, flowId })
    await register(engine.backend)
    await expectReason(id, 'queued')
  })

  it('that its flow is being cancelled, while a finaliser waits for its upstreams as before', async () => {
    const flow = await submitFlow({ a: {}, b: {}, always: { after: ['a'], join: { runOn: 'always' } } })
    await register(engine.backend, [], flow.lane)
    await flow.start('a')
    await flow.cancel('cancel_pending')
    expect(await reasonOf(flow.id('a'))).toBe('running')
    expect(await reasonOf(flow.id('b'))).toBe('ended')
    await expectReason(flow.id('always'), 'dependencies')
    await flow.complete('a')
    await expectReason(flow.id('always'), 'queued')
  })
})
