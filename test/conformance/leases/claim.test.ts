import {
  type LaneId,
  mintClaimId,
  mintInstanceId,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { bytesOf, codeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const other = parseLaneId('other')

describe('leases.claim', () => {
  const store = useStore()
  const idsOf = (leases: readonly { readonly executionId: string }[]) =>
    leases.map((lease) => lease.executionId)

  it('leases an execution as its first attempt, with all that a handler needs', async () => {
    const id = await submitOne(store(), {
      input: bytesOf('in'),
      priority: 3,
      timeouts: { attemptTimeoutMs: 9_000 },
    })
    const worker = new WorkerDriver(store())
    const nowMs = await store().nowMs()
    const lease = await worker.claimOne({ leaseTtlMs: 20_000 })
    expect(lease).toEqual({
      executionId: id,
      namespace: store().namespace,
      flowId: null,
      name: null,
      kind: 'work',
      lane: 'solos',
      priority: 3,
      input: bytesOf('in'),
      attemptIndex: 0,
      attemptType: 'initial',
      generation: 1,
      handle: lease.handle,
      leaseExpiresAtMs: nowMs + 20_000,
      attemptDeadlineAtMs: nowMs + 9_000,
      claimedAtMs: nowMs,
      upstream: [],
      upstreamTruncated: false,
      steps: [],
      stepsTruncated: false,
      resumption: null,
      budgets: [],
      tags: {},
      traceContext: null,
    })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'active',
      state: {
        lifecyclePhase: 'active',
        ownershipState: 'leased',
        eligibilityState: 'not_applicable',
        blockingReason: 'none',
        attemptState: 'running_attempt',
      },
      epoch: 1,
      attemptCount: 1,
      retryCount: 1,
    })
  })

  it('hands out nothing twice', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    expect(await worker.claim()).toHaveLength(1)
    expect(await worker.claim()).toEqual([])
    expect(await new WorkerDriver(store()).claim()).toEqual([])
  })

  it('answers empty, and when something delayed is next due', async () => {
    const worker = new WorkerDriver(store())
    expect(await store().backend.leases.claim(worker.request())).toMatchObject({ outcome: 'empty' })
    await submitOne(store(), { delayMs: 5_000 })
    expect(await worker.claim()).toEqual([])
  })

  it('takes the higher priority first, then the longer waiting, then the earlier submitted', async () => {
    const first = await submitOne(store())
    const second = await submitOne(store())
    await store().advance(1)
    const urgent = await submitOne(store(), { priority: 1 })
    const late = await submitOne(store())
    expect(idsOf(await new WorkerDriver(store()).claim())).toEqual([urgent, first, second, late])
  })

  it('hands out at most what is asked for', async () => {
    for (let n = 0; n < 3; n += 1) await submitOne(store())
    const worker = new WorkerDriver(store())
    expect(await worker.claim({ max: 2 })).toHaveLength(2)
    expect(await worker.claim({ max: 2 })).toHaveLength(1)
  })

  it('looks only where the worker serves: its lanes, kinds, capabilities and namespaces', async () => {
    await submitOne(store(), { lane: other })
    await submitOne(store(), { kind: parseKind('rare') })
    await submitOne(store(), { capabilities: ['gpu', 'arm'] })
    const plain = await submitOne(store())
    expect(idsOf(await new WorkerDriver(store()).claim())).toEqual([plain])
    expect(await new WorkerDriver(store(), { capabilities: ['gpu'] }).claim()).toEqual([])
    expect(await new WorkerDriver(store(), { namespaces: [parseNamespace('foreign')] }).claim()).toEqual([])
    expect(await new WorkerDriver(store(), { capabilities: ['gpu', 'x', 'arm'] }).claim()).toHaveLength(1)
    expect(
      await new WorkerDriver(store(), { kinds: [parseKind('work'), parseKind('rare')] }).claim(),
    ).toHaveLength(1)
    expect(await new WorkerDriver(store(), { lanes: [other] }).claim()).toHaveLength(1)
  })

  it('serves several namespaces in one claim', async () => {
    const { backend, namespace } = store()
    const second = parseNamespace(`${namespace}-b`)
    const here = await submitOne(store())
    const there = store().aSolo()
    await backend.executions.submit({ namespace: second, items: [there] })
    const worker = new WorkerDriver(store(), { namespaces: [namespace, second] })
    const leases = await worker.claim()
    expect(new Set(idsOf(leases))).toEqual(new Set([here, there.id]))
    const items = leases.map(({ handle }) => ({ handle, result: null }))
    const answer = await backend.leases.complete({ namespaces: [namespace, second], items })
    expect(answer.items.map(({ outcome }) => outcome)).toEqual(['completed', 'completed'])
  })

  it('answers a repeated claim with the leases that it got and that are still held', async () => {
    await submitOne(store())
    await submitOne(store())
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const claimId = mintClaimId()
    const first = await worker.claim({ claimId, max: 2 })
    await store().advance(1_000)
    expect(idsOf(await worker.claim({ claimId, max: 2 }))).toEqual(idsOf(first))
    expect((await worker.claim({ claimId, max: 2 })).map(({ handle }) => handle)).toEqual(
      first.map(({ handle }) => handle),
    )
    await worker.complete(first[0]?.handle ?? '')
    expect(idsOf(await worker.claim({ claimId, max: 2 }))).toEqual(idsOf(first.slice(1)))
  })

  it("does not take another instance's claim for a repeat", async () => {
    await submitOne(store())
    const claimId = mintClaimId()
    expect(await new WorkerDriver(store()).claim({ claimId })).toHaveLength(1)
    expect(await new WorkerDriver(store()).claim({ claimId })).toEqual([])
  })

  it.each(['paused', 'disabled'] as const)(
    'hands out nothing of a %s lane, until it is active again',
    async (state) => {
      const { backend, namespace } = store()
      const id = await submitOne(store())
      const lane = parseLaneId('solos')
      await backend.lanes.setState({ namespace, lane, state })
      const worker = new WorkerDriver(store())
      expect(await worker.claim()).toEqual([])
      await backend.lanes.setState({ namespace, lane, state: 'active' })
      expect(idsOf(await worker.claim())).toEqual([id])
    },
  )

  it('works off what a draining lane has', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    await backend.lanes.setState({ namespace, lane: parseLaneId('solos'), state: 'draining' })
    expect(idsOf(await new WorkerDriver(store()).claim())).toEqual([id])
  })

  it('never has more of a capped lane active than its concurrency', async () => {
    const { backend, namespace } = store()
    const lane = parseLaneId('solos')
    await backend.lanes.configure({ namespace, lane, settings: { concurrency: 2 } })
    for (let n = 0; n < 4; n += 1) await submitOne(store())
    const worker = new WorkerDriver(store())
    const leases = await worker.claim()
    expect(leases).toHaveLength(2)
    expect(await new WorkerDriver(store()).claim()).toEqual([])
    await worker.delay(leases[0]?.handle ?? '', (await store().nowMs()) + 60_000)
    expect(await worker.claim()).toHaveLength(1)
    await backend.lanes.configure({ namespace, lane, settings: { concurrency: null } })
    expect(await worker.claim()).toHaveLength(1)
  })

  it.each([
    ['the capped one was there first', true],
    ['the capped one came later', false],
  ] as const)(
    'keeps to the cap of a lane, and to no other’s, in a claim over two: %s',
    async (_, isFirst) => {
      const { backend, namespace } = store()
      const capped = parseLaneId('capped')
      const lanes = isFirst ? [capped, other] : [other, capped]
      // The other lane has work of a kind that the claim doesn't serve, so that its own is all of one route.
      for (const lane of lanes) await submitOne(store(), { lane, kind: parseKind('rare') })
      await backend.lanes.configure({ namespace, lane: capped, settings: { concurrency: 1 } })
      const claimOf = async (lane: typeof other) => {
        const items = [1, 2, 3].map(() => store().aSolo({ lane, kind: parseKind(`of-${lane}`) }))
        await backend.executions.submit({ namespace, items })
        return new WorkerDriver(store(), { lanes, kinds: [parseKind(`of-${lane}`)] }).claim()
      }
      expect(await claimOf(capped)).toHaveLength(1)
      expect(await claimOf(other)).toHaveLength(3)
    },
  )

  it.each([
    ['alone', false],
    ['beside work that names a quota', true],
  ])('hands out work of another lane where the first is full, %s', async (_, hasQuota) => {
    const { backend, namespace } = store()
    const capped = parseLaneId('capped')
    const driver = new AdmissionDriver(store())
    // More routes of the full lane than a claim of one looks at.
    const kinds = ['a', 'b', 'c', 'd', 'e', 'f', 'named', 'plain'].map(parseKind)
    const claimOf = (lanes: LaneId[], max: number) =>
      new WorkerDriver(store(), { lanes, kinds }).claim({ max })
    if (hasQuota) {
      const quotas = [{ quotaId: await driver.quota({ concurrency: 1 }) }]
      for (const _each of [1, 2]) await submitOne(store(), { lane: other, kind: parseKind('named'), quotas })
      expect(await claimOf([other], 10)).toHaveLength(1)
    }
    await backend.lanes.configure({ namespace, lane: capped, settings: { concurrency: 1 } })
    for (const kind of kinds.slice(0, 6))
      for (const _each of [1, 2]) await submitOne(store(), { lane: capped, kind, priority: 9 })
    expect(await claimOf([capped], 1)).toHaveLength(1)
    const id = await submitOne(store(), { lane: other, kind: parseKind('plain') })
    const claimed = await claimOf([capped, other], 1)
    expect(claimed.map(({ executionId }) => executionId)).toEqual([id])
  })

  it.each([{ deadlineMs: 1_000 }, { queueTtlMs: 1_000 }])(
    'hands out nothing that is past %o, also when nobody has noticed yet',
    async (timeouts) => {
      const id = await submitOne(store(), { timeouts })
      await store().advance(1_000)
      expect(await new WorkerDriver(store()).claim()).toEqual([])
      await store().settle()
      expect((await readOne(store(), id)).publicState).toBe('expired')
    },
  )

  it('hands out nothing of a draft, and its roots after the seal', async () => {
    const { backend, namespace } = store()
    const flow = new FlowDriver(store())
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend({ a: {}, b: { after: ['a'] } })
    expect(await flow.tryStart('a', 'b')).toEqual([])
    await backend.flows.seal({ namespace, flowId: flow.flowId })
    await flow.settle()
    expect(await flow.tryStart('a', 'b')).toEqual(['a'])
  })

  it('inlines upstream results and journal up to a bound, and says when it cut', async () => {
    const flow = await FlowDriver.submit(store(), {
      big: {},
      small: {},
      join: { after: { big: 'a_big', small: 'b_small' } },
    })
    await flow.start('big', 'small')
    await flow.complete('big', 'x'.repeat(300_000))
    await flow.complete('small', 'y')
    await flow.settle()
    await flow.start('join')
    expect(flow.lease('join')).toMatchObject({ upstream: [], upstreamTruncated: true })
    const page = await store().backend.attempts.loadUpstream({
      namespace: store().namespace,
      executionId: flow.id('join'),
    })
    expect(page.items.map(({ as, result }) => [as, result?.byteLength])).toEqual([
      ['a_big', 300_000],
      ['b_small', 1],
    ])
  })

  it('waits for work, and gets it as soon as it comes', async () => {
    const worker = new WorkerDriver(store())
    const claim = worker.claim({ waitMs: 20_000 })
    const id = await submitOne(store())
    expect(idsOf(await claim)).toEqual([id])
  })

  it('stops waiting when its time is over or its signal aborts', async () => {
    const worker = new WorkerDriver(store())
    expect(await worker.claim({ waitMs: 20 })).toEqual([])
    const controller = new AbortController()
    const claim = worker.claim({ waitMs: 30_000, signal: controller.signal })
    controller.abort()
    expect(await claim).toEqual([])
  })

  it('hands nothing of a lane to a claim that waits, once pausing it was answered', async () => {
    const { backend, namespace } = store()
    const lane = parseLaneId('solos')
    const worker = new WorkerDriver(store())
    const controller = new AbortController()
    const claim = worker.claim({ waitMs: 30_000, signal: controller.signal })
    await backend.lanes.setState({ namespace, lane, state: 'paused' })
    const id = await submitOne(store())
    controller.abort()
    expect(await claim).toEqual([])
    expect((await readOne(store(), id)).publicState).toBe('waiting')
  })

  it.each<[string, object]>([
    ['invalid_claim_id', { claimId: 'x' }],
    ['invalid_instance_id', { instanceId: 'x' }],
    ['invalid_worker_id', { workerId: '' }],
    ['invalid_lane_id', { lanes: ['a b'] }],
    ['invalid_kind', { kinds: [''] }],
    ['invalid_namespace', { namespaces: ['a b'] }],
    ['invalid_capability', { capabilities: ['a,b'] }],
    ['invalid_params', { lanes: [] }],
    ['invalid_params', { kinds: [] }],
    ['invalid_params', { namespaces: [] }],
    ['invalid_params', { max: 0 }],
    ['limit_exceeded', { max: 257 }],
    ['invalid_params', { leaseTtlMs: 999 }],
    ['limit_exceeded', { leaseTtlMs: 3_600_001 }],
    ['limit_exceeded', { waitMs: 30_001 }],
  ])('refuses a claim with %s, and leases nothing', async (code, fault) => {
    const id = await submitOne(store())
    const request = { ...new WorkerDriver(store()).request(), ...fault }
    expect(await codeOf(store().backend.leases.claim(request as never))).toBe(code)
    expect((await readOne(store(), id)).publicState).toBe('waiting')
  })

  it('goes on with a new lease for a new instance after the old one said goodbye', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { kinds, lanes, workerId, capabilities } = worker.request()
    const registration = { namespaces: [namespace], workerId, lanes, kinds, capabilities, concurrency: 1 }
    await backend.workers.register({ ...registration, instanceId: worker.instanceId })
    await worker.claimOne()
    const goodbye = { namespaces: [namespace], instanceId: worker.instanceId, active: 0, goodbye: true }
    expect((await backend.workers.heartbeat(goodbye)).outcome).toBe('gone')
    expect((await readOne(store(), id)).state.ownershipState).toBe('lease_expired_reclaimable')
    const next = new WorkerDriver(store(), { instanceId: mintInstanceId() })
    expect(await next.claimOne()).toMatchObject({ executionId: id, attemptIndex: 1, attemptType: 'reclaim' })
  })
})
