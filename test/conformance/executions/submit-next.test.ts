import {
  type ClaimedExecution,
  type ClaimRequest,
  type ExecutionId,
  type ExecutionSubmission,
  type Hint,
  mintClaimId,
  must,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'
import { everyOption } from './every-option.js'

const solos = parseLaneId('solos')
const other = parseLaneId('other')

describe('executions.submit with next', () => {
  const store = useStore()
  const submit = (next: ClaimRequest, ...items: ExecutionSubmission[]) =>
    store().backend.executions.submit({ namespace: store().namespace, items, next })
  const configure = (settings: object, lane = solos) =>
    store().backend.lanes.configure({ namespace: store().namespace, lane, settings })
  const setState = (state: 'active' | 'paused' | 'draining' | 'disabled', lane = solos) =>
    store().backend.lanes.setState({ namespace: store().namespace, lane, state })
  const publicStateOf = async (id: ExecutionId) => (await readOne(store(), id)).publicState
  const countAll = async () =>
    (await store().backend.executions.count({ namespace: store().namespace })).count

  describe('hands out what it accepts', () => {
    it('as its first attempt, with all that a handler needs', async () => {
      const nowMs = await store().nowMs()
      const worker = new WorkerDriver(store())
      const solo = store().aSolo({
        input: bytesOf('in'),
        priority: 3,
        tags: { 'a.b': 'c' },
        timeouts: { attemptTimeoutMs: 9_000 },
      })
      const { items, claimed } = await submit(worker.request({ max: 1, leaseTtlMs: 20_000 }), solo)
      expect(items).toEqual([{ outcome: 'accepted', id: solo.id }])
      expect(claimed).toEqual([
        {
          executionId: solo.id,
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
          handle: expect.any(String),
          leaseExpiresAtMs: nowMs + 20_000,
          attemptDeadlineAtMs: nowMs + 9_000,
          claimedAtMs: nowMs,
          upstream: [],
          upstreamTruncated: false,
          steps: [],
          stepsTruncated: false,
          resumption: null,
          budgets: [],
          tags: { 'a.b': 'c' },
          traceContext: null,
        },
      ])
      expect(await readOne(store(), solo.id)).toMatchObject({
        publicState: 'active',
        state: {
          lifecyclePhase: 'active',
          ownershipState: 'leased',
          eligibilityState: 'not_applicable',
          blockingReason: 'none',
          terminalOutcome: 'none',
          attemptState: 'running_attempt',
        },
        generation: 1,
        epoch: 1,
        attemptCount: 1,
        retryCount: 1,
        lease: {
          workerId: 'worker',
          instanceId: worker.instanceId,
          attemptIndex: 0,
          startedAtMs: nowMs,
          expiresAtMs: nowMs + 20_000,
          attemptDeadlineAtMs: nowMs + 9_000,
        },
      })
      expect(await new WorkerDriver(store()).claim()).toEqual([])
      expect(await worker.complete(must(claimed[0], 'a lease').handle, 'out')).toEqual({
        outcome: 'completed',
        late: false,
      })
    })

    it('in a lane, and of a kind, that nobody named before', async () => {
      const lane = parseLaneId('brand-new')
      const kind = parseKind('brand-new')
      const solo = store().aSolo({ lane, kind })
      const { claimed } = await submit(
        new WorkerDriver(store()).request({ lanes: [lane], kinds: [kind] }),
        solo,
      )
      expect(idsOf(claimed)).toEqual([solo.id])
    })

    it('with a start time in the past, which is no delay', async () => {
      const solo = store().aSolo({ startAtMs: (await store().nowMs()) - 1 })
      const { claimed } = await submit(new WorkerDriver(store()).request(), solo)
      expect(idsOf(claimed)).toEqual([solo.id])
    })

    it('under an idempotency key, which then answers for it', async () => {
      const worker = new WorkerDriver(store())
      const first = store().aSolo({ idempotencyKey: 'order-1' })
      const answer = await submit(worker.request(), first)
      expect(answer.items).toEqual([{ outcome: 'accepted', id: first.id }])
      expect(idsOf(answer.claimed)).toEqual([first.id])
      const repeat = await submit(worker.request(), store().aSolo({ idempotencyKey: 'order-1' }))
      expect(repeat).toEqual({ items: [{ outcome: 'duplicate', id: first.id }], claimed: [] })
      const conflict = await submit(
        worker.request(),
        store().aSolo({ idempotencyKey: 'order-1', input: bytesOf('other') }),
      )
      expect(conflict).toEqual({ items: [{ outcome: 'idempotency_conflict' }], claimed: [] })
    })

    it('of a batch as many as asked for, best first; the rest waits', async () => {
      const batch = [1, 5, 3, 4, 2].map((priority) => store().aSolo({ priority }))
      const byPriority = [...batch].sort((a, b) => b.priority! - a.priority!).map(({ id }) => id)
      const worker = new WorkerDriver(store())
      const { items, claimed } = await submit(worker.request({ max: 3 }), ...batch)
      expect(items).toEqual(batch.map(({ id }) => ({ outcome: 'accepted', id })))
      expect(idsOf(claimed)).toEqual(byPriority.slice(0, 3))
      expect(idsOf(await worker.claim())).toEqual(byPriority.slice(3))
    })

    it('of a batch everything, when there is room for it', async () => {
      const batch = Array.from({ length: 7 }, () => store().aSolo())
      const { claimed } = await submit(new WorkerDriver(store()).request({ max: 10 }), ...batch)
      expect(idsOf(claimed)).toEqual(batch.map(({ id }) => id))
    })

    it('of a batch that is as long as may be', async () => {
      const batch = Array.from({ length: 200 }, () => store().aSolo())
      const { items, claimed } = await submit(new WorkerDriver(store()).request({ max: 256 }), ...batch)
      expect(new Set(items.map(({ outcome }) => outcome))).toEqual(new Set(['accepted']))
      expect(new Set(idsOf(claimed))).toEqual(new Set(batch.map(({ id }) => id)))
    })

    it.each([
      ['the first', [true, false]],
      ['the last', [false, true]],
      ['the middle one', [false, true, false]],
      ['all but the middle one', [true, false, true]],
    ])('of a batch in which %s came with an idempotency key', async (_, keyed) => {
      const batch = keyed.map((isKeyed, n) => store().aSolo(isKeyed ? { idempotencyKey: `order-${n}` } : {}))
      const { claimed } = await submit(new WorkerDriver(store()).request(), ...batch)
      expect(new Set(idsOf(claimed))).toEqual(new Set(batch.map(({ id }) => id)))
    })

    it('of a batch the good ones', async () => {
      const [good, bad, alsoGood] = [store().aSolo(), store().aSolo({ priority: -1 }), store().aSolo()]
      const { items, claimed } = await submit(new WorkerDriver(store()).request(), good, bad, alsoGood)
      expect(items[0]).toEqual({ outcome: 'accepted', id: good.id })
      expect(itemCodeOf(items[1])).toBe('invalid_priority')
      expect(items[2]).toEqual({ outcome: 'accepted', id: alsoGood.id })
      expect(idsOf(claimed)).toEqual([good.id, alsoGood.id])
    })
  })

  it('keeps every option: the queue’s time is over without harm, the attempt’s and the deadline are not', async () => {
    const { backend, namespace } = store()
    const nowMs = await store().nowMs()
    const worker = new WorkerDriver(store(), { capabilities: ['arm', 'gpu'], leaseTtlMs: 60_000 })
    const solo = store().aSolo(everyOption)
    await submit(worker.request(), solo)
    const { priority, tags, retry, timeouts } = everyOption
    expect(await readOne(store(), solo.id)).toMatchObject({
      priority,
      tags,
      retry,
      timeouts,
      capabilities: ['arm', 'gpu'],
      deadlineAtMs: nowMs + 100_000,
    })
    await store().pass(3_000)
    expect(await publicStateOf(solo.id)).toBe('active')
    await store().pass(7_000)
    const { items: attempts } = await backend.attempts.list({ namespace, executionId: solo.id })
    expect(attempts).toMatchObject([{ state: 'ended_failure', endedBy: 'attempt_timeout' }])
    await store().pass(1_000)
    const second = await worker.claimOne()
    expect(second).toMatchObject({
      attemptIndex: 1,
      attemptType: 'retry',
      traceContext: everyOption.traceContext,
    })
    await worker.delay(second.handle, nowMs + 200_000)
    await store().pass(89_000)
    expect(await readOne(store(), solo.id)).toMatchObject({
      publicState: 'expired',
      failure: { category: 'deadline' },
      terminalAtMs: nowMs + 100_000,
    })
    await store().advance(everyOption.retentionMs)
    for (const partition of store().partitions)
      await backend.maintenance.trimRetention({ partition, max: 500 })
    expect(await codeOf(readOne(store(), solo.id))).toBe('execution_not_found')
  })

  it('says when the lease that it gives is next due', async () => {
    const hints: Hint[] = []
    const stop = store().backend.events.listen({ onHint: (hint) => hints.push(hint) })
    const nowMs = await store().nowMs()
    await submit(
      new WorkerDriver(store()).request({ leaseTtlMs: 40_000 }),
      store().aSolo({ timeouts: { attemptTimeoutMs: 9_000 } }),
    )
    stop()
    expect(hints.flatMap((hint) => (hint.type === 'due' ? [hint.dueAtMs] : []))).toContain(nowMs + 9_000)
  })

  describe('with other work that is ready', () => {
    it('hands out the older one first', async () => {
      const older = await submitOne(store())
      const worker = new WorkerDriver(store())
      const second = store().aSolo()
      expect(idsOf((await submit(worker.request({ max: 1 }), second)).claimed)).toEqual([older])
      expect(await publicStateOf(second.id)).toBe('waiting')
      const third = store().aSolo()
      expect(idsOf((await submit(worker.request({ max: 2 }), third)).claimed)).toEqual([second.id, third.id])
    })

    it('hands out the more urgent one first, also when it is the new one', async () => {
      const usual = await submitOne(store())
      const worker = new WorkerDriver(store())
      const urgent = store().aSolo({ priority: 1 })
      expect(idsOf((await submit(worker.request({ max: 1 }), urgent)).claimed)).toEqual([urgent.id])
      expect(idsOf(await worker.claim())).toEqual([usual])
    })

    it('hands out what another process brought, of a kind that this one has not seen yet', async () => {
      const { opened, namespace } = store()
      const kinds = ['work', 'fresh'].map(parseKind)
      const worker = new WorkerDriver(store(), { kinds })
      const { claimed } = await submit(worker.request(), store().aSolo())
      expect(claimed).toHaveLength(1)
      const older = store().aSolo({ kind: parseKind('fresh') })
      await opened.reopen().executions.submit({ namespace, items: [older] })
      const solo = store().aSolo()
      expect(idsOf((await submit(worker.request({ max: 1 }), solo)).claimed)).toEqual([older.id])
      expect(await publicStateOf(solo.id)).toBe('waiting')
    })

    it.each([
      ['by priority', null],
      ['by age too, where the lane says so', 1_000],
    ])('has its place in the queue %s, once it is yielded', async (_, ageingMs) => {
      await configure({ ageingMs })
      const worker = new WorkerDriver(store())
      const handed = store().aSolo({ priority: 2 })
      const { claimed } = await submit(worker.request(), handed)
      const peer = await submitOne(store(), { priority: 2 })
      const urgent = await submitOne(store(), { priority: 3 })
      await store().advance(2_000)
      const later = await submitOne(store(), { priority: 3 })
      const muchLater = await submitOne(store(), { priority: 5 })
      await worker.yield(must(claimed[0], 'a lease').handle)
      // With ageing a step of priority is worth a second.
      const expected =
        ageingMs === null
          ? [muchLater, urgent, later, handed.id, peer]
          : [urgent, muchLater, handed.id, peer, later]
      expect(idsOf(await worker.claim())).toEqual(expected)
    })

    it('hands out what is older in another lane, or another namespace, that the claim serves', async () => {
      const { backend, namespace } = store()
      const elsewhere = parseNamespace(`${namespace}-b`)
      const there = store().aSolo()
      await backend.executions.submit({ namespace: elsewhere, items: [there] })
      const beside = await submitOne(store(), { lane: other })
      const here = store().aSolo()
      const worker = new WorkerDriver(store(), { namespaces: [namespace, elsewhere], lanes: [solos, other] })
      const { items, claimed } = await submit(worker.request(), here)
      expect(items).toEqual([{ outcome: 'accepted', id: here.id }])
      expect(new Set(idsOf(claimed))).toEqual(new Set([there.id, beside, here.id]))
      const done = await backend.leases.complete({
        namespaces: [namespace, elsewhere],
        items: claimed.map(({ handle }) => ({ handle, result: null })),
      })
      expect(done.items.map(({ outcome }) => outcome)).toEqual(['completed', 'completed', 'completed'])
    })

    it('hands out only that, when the claim serves nothing of what is submitted', async () => {
      const { backend, namespace } = store()
      const elsewhere = parseNamespace(`${namespace}-b`)
      const there = store().aSolo()
      await backend.executions.submit({ namespace: elsewhere, items: [there] })
      const here = store().aSolo()
      const { claimed } = await submit(new WorkerDriver(store(), { namespaces: [elsewhere] }).request(), here)
      expect(idsOf(claimed)).toEqual([there.id])
      expect(await publicStateOf(here.id)).toBe('waiting')
    })

    it('passes over what is held, and what is past its time though nobody has noticed yet', async () => {
      const { backend, namespace } = store()
      const held = await submitOne(store())
      await backend.executions.hold({ namespace, id: held })
      const late = await submitOne(store(), { timeouts: { queueTtlMs: 1_000 } })
      await store().advance(1_000)
      const fresh = store().aSolo()
      const { claimed } = await submit(new WorkerDriver(store()).request({ max: 1 }), fresh)
      expect(idsOf(claimed)).toEqual([fresh.id])
      await store().settle()
      expect([await publicStateOf(held), await publicStateOf(late)]).toEqual(['waiting', 'expired'])
    })

    it('hands out a node of a flow that waited in its lane, with what its upstreams left', async () => {
      const flow = await FlowDriver.submit(store(), { a: {}, b: { after: { a: 'first' } }, c: {} })
      await flow.end('a', 'success')
      await flow.settle()
      const worker = new WorkerDriver(store())
      const solo = store().aSolo()
      const ofFlow = worker.request({ lanes: [flow.lane], kinds: [parseKind('b')], max: 1 })
      const { items, claimed } = await submit(ofFlow, solo)
      expect(items).toEqual([{ outcome: 'accepted', id: solo.id }])
      expect(claimed).toMatchObject([
        {
          executionId: flow.id('b'),
          flowId: flow.flowId,
          name: 'b',
          upstream: [{ as: 'first', result: bytesOf('result of a') }],
        },
      ])
      const both = worker.request({ lanes: [flow.lane, solos], kinds: ['c', 'work'].map(parseKind) })
      const second = store().aSolo()
      expect(new Set(idsOf((await submit(both, second)).claimed))).toEqual(
        new Set([flow.id('c'), solo.id, second.id]),
      )
    })
  })

  describe('hands out nothing', () => {
    it.each<[string, Partial<ExecutionSubmission>, Partial<ClaimRequest>]>([
      ['of a lane that the claim doesn’t name', {}, { lanes: [other] }],
      ['of a kind that it doesn’t name', {}, { kinds: [parseKind('rare')] }],
      ['that needs more than it can do', { capabilities: ['gpu', 'arm'] }, { capabilities: ['gpu'] }],
      ['of a namespace that it doesn’t name', {}, { namespaces: [parseNamespace('foreign')] }],
    ])('%s, and the item waits', async (_, traits, claim) => {
      const solo = store().aSolo(traits)
      const worker = new WorkerDriver(store())
      expect(await submit(worker.request(claim), solo)).toEqual({
        items: [{ outcome: 'accepted', id: solo.id }],
        claimed: [],
      })
      expect(await readOne(store(), solo.id)).toMatchObject({
        publicState: 'waiting',
        epoch: 0,
        attemptCount: 0,
      })
      expect(idsOf(await worker.claim({ capabilities: ['arm', 'gpu'] }))).toEqual([solo.id])
    })

    it.each([
      ['a delay', async () => ({ delayMs: 5_000 })],
      ['a start time', async () => ({ startAtMs: (await store().nowMs()) + 5_000 })],
    ])('before %s is over', async (_, delay) => {
      const solo = store().aSolo(await delay())
      const worker = new WorkerDriver(store())
      expect((await submit(worker.request(), solo)).claimed).toEqual([])
      expect(await publicStateOf(solo.id)).toBe('delayed')
      await store().pass(5_000)
      expect(idsOf(await worker.claim())).toEqual([solo.id])
    })

    it('of a paused lane, until it is active again', async () => {
      const first = store().aSolo()
      const worker = new WorkerDriver(store())
      await submit(worker.request(), first)
      await setState('paused')
      const second = store().aSolo()
      expect(await submit(worker.request(), second)).toEqual({
        items: [{ outcome: 'accepted', id: second.id }],
        claimed: [],
      })
      expect(await publicStateOf(second.id)).toBe('waiting')
      await setState('active')
      const third = store().aSolo()
      expect(idsOf((await submit(worker.request(), third)).claimed)).toEqual([second.id, third.id])
    })

    it.each(['draining', 'disabled'] as const)(
      'of what a %s lane refuses, and what else the claim may have it gets',
      async (laneState) => {
        const before = await submitOne(store())
        const beside = await submitOne(store(), { lane: other })
        await setState(laneState)
        const solo = store().aSolo()
        const worker = new WorkerDriver(store(), { lanes: [solos, other] })
        const { items, claimed } = await submit(worker.request(), solo)
        expect(items).toEqual([{ outcome: 'lane_not_accepting', lane: solos, laneState }])
        const isWorkedOff = laneState === 'draining'
        expect(new Set(idsOf(claimed))).toEqual(new Set(isWorkedOff ? [before, beside] : [beside]))
        expect(await codeOf(readOne(store(), solo.id))).toBe('execution_not_found')
      },
    )

    it.each(['draining', 'disabled'] as const)('of a %s lane in which nothing is', async (laneState) => {
      await submitOne(store())
      const worker = new WorkerDriver(store())
      await worker.complete((await worker.claimOne()).handle)
      await setState(laneState)
      expect(await submit(worker.request(), store().aSolo())).toEqual({
        items: [{ outcome: 'lane_not_accepting', lane: solos, laneState }],
        claimed: [],
      })
      expect(await countAll()).toBe(1)
    })

    it('beyond the cap of a lane', async () => {
      await configure({ concurrency: 1 })
      const [first, second, third] = [store().aSolo(), store().aSolo(), store().aSolo()]
      const worker = new WorkerDriver(store())
      const { claimed } = await submit(worker.request(), first)
      expect(idsOf(claimed)).toEqual([first.id])
      expect((await submit(worker.request(), second)).claimed).toEqual([])
      expect(await publicStateOf(second.id)).toBe('waiting')
      await worker.complete(must(claimed[0], 'a lease').handle)
      expect(idsOf((await submit(worker.request(), third)).claimed)).toEqual([second.id])
      expect(await publicStateOf(third.id)).toBe('waiting')
    })
  })

  describe('repeated', () => {
    it('answers duplicate, and the leases that the claim got at first', async () => {
      const solo = store().aSolo()
      const worker = new WorkerDriver(store())
      const next = worker.request()
      const first = await submit(next, solo)
      await store().advance(1_000)
      const before = await readOne(store(), solo.id)
      const repeat = await submit(next, solo)
      expect(repeat.items).toEqual([{ outcome: 'duplicate', id: solo.id }])
      expect(repeat.claimed).toEqual(first.claimed)
      expect(await worker.claim({ claimId: next.claimId })).toEqual(first.claimed)
      expect(await readOne(store(), solo.id)).toEqual(before)
      await worker.complete(must(first.claimed[0], 'a lease').handle)
      expect(await submit(next, solo)).toEqual({
        items: [{ outcome: 'duplicate', id: solo.id }],
        claimed: [],
      })
    })

    it('as another claim’s, hands out what is still there to have', async () => {
      const solo = store().aSolo()
      const [one, two] = [new WorkerDriver(store()), new WorkerDriver(store())]
      await submit(one.request({ lanes: [other] }), solo)
      const second = await submit(two.request(), solo)
      expect(second.items).toEqual([{ outcome: 'duplicate', id: solo.id }])
      expect(idsOf(second.claimed)).toEqual([solo.id])
      expect((await submit(one.request(), solo)).claimed).toEqual([])
    })

    it('with a claim that has got something already, answers that again and leaves the item waiting', async () => {
      await submitOne(store())
      const worker = new WorkerDriver(store())
      const claimId = mintClaimId()
      const held = await worker.claim({ claimId })
      const solo = store().aSolo()
      const answer = await submit(worker.request({ claimId }), solo)
      expect(answer).toEqual({ items: [{ outcome: 'accepted', id: solo.id }], claimed: held })
      expect(await publicStateOf(solo.id)).toBe('waiting')
    })

    it('with the claim id of another instance, is another claim', async () => {
      const claimId = mintClaimId()
      const [first, second] = [store().aSolo(), store().aSolo()]
      await submit(new WorkerDriver(store()).request({ claimId }), first)
      const { claimed } = await submit(new WorkerDriver(store()).request({ claimId }), second)
      expect(idsOf(claimed)).toEqual([second.id])
    })

    it('under an id that other work has, conflicts, and the claim gets what is ready', async () => {
      const solo = store().aSolo({ input: bytesOf('in') })
      const worker = new WorkerDriver(store())
      await submit(worker.request(), solo)
      const before = await readOne(store(), solo.id)
      const changed = { ...solo, input: bytesOf('other') }
      expect(await submit(worker.request(), changed)).toEqual({
        items: [{ outcome: 'execution_conflict' }],
        claimed: [],
      })
      expect(await readOne(store(), solo.id)).toEqual(before)
      const waiting = await submitOne(store())
      expect(idsOf((await submit(worker.request(), changed)).claimed)).toEqual([waiting])
    })

    it('in one batch, hands the one execution out once', async () => {
      const solo = store().aSolo()
      const { items, claimed } = await submit(new WorkerDriver(store()).request(), solo, solo)
      expect(items).toEqual([
        { outcome: 'accepted', id: solo.id },
        { outcome: 'duplicate', id: solo.id },
      ])
      expect(idsOf(claimed)).toEqual([solo.id])
    })
  })

  it.each([1, 2, 5])('hands nothing out twice to claims of %i that come in the same moment', async (max) => {
    // Work and workers that are known, so that a store may serve them together.
    const known = await submitOne(store())
    const workers = Array.from({ length: 4 }, () => new WorkerDriver(store()))
    const got = []
    for (const worker of workers) got.push(...(await worker.claim()))
    expect(got.map(({ executionId }) => executionId)).toEqual([known])
    const items = workers.map(() => store().aSolo())
    const calls = items.map((solo, nth) =>
      submit(must(workers[nth], 'a worker').request({ max, lanes: [solo.lane], kinds: [solo.kind] }), solo),
    )
    const claimed = (await Promise.all(calls)).flatMap((call) => call.claimed)
    const ids = claimed.map(({ executionId }) => executionId)
    expect(ids.length).toBeGreaterThan(0)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { id } of items) {
      const { epoch } = await readOne(store(), id)
      expect(epoch).toBe(ids.includes(id) ? 1 : 0)
    }
  })

  it('claims without items too', async () => {
    const waiting = await submitOne(store())
    const answer = await submit(new WorkerDriver(store()).request())
    expect(answer.items).toEqual([])
    expect(idsOf(answer.claimed)).toEqual([waiting])
  })

  it('doesn’t wait for work', async () => {
    const request = new WorkerDriver(store()).request({ lanes: [other], waitMs: 30_000 })
    expect((await submit(request, store().aSolo())).claimed).toEqual([])
  })

  it('without next claims nothing', async () => {
    const { backend, namespace } = store()
    const answer = await backend.executions.submit({ namespace, items: [store().aSolo()] })
    expect(answer.claimed).toEqual([])
  })

  it('tells of both states in their order, in a lane that tells everything', async () => {
    await configure({ eventLevel: 'all' })
    const solo = store().aSolo()
    const { claimed } = await submit(new WorkerDriver(store()).request(), solo)
    expect(idsOf(claimed)).toEqual([solo.id])
    expect(await store().eventsOf(solo.id)).toMatchObject([
      { publicState: 'waiting', previousState: null, attemptIndex: null },
      { publicState: 'active', previousState: 'waiting', attemptIndex: 0 },
    ])
  })

  it('counts each execution once in the depth of its lane', async () => {
    const { backend, namespace } = store()
    const depths = async () => {
      const { lanes } = await backend.lanes.list({ namespace })
      const { depth, oldestReadyAtMs } = must(
        lanes.find(({ lane }) => lane === solos),
        'the lane',
      )
      const { waiting, active, completed } = depth
      return { waiting, active, completed, oldestReadyAtMs }
    }
    const worker = new WorkerDriver(store())
    const { claimed } = await submit(worker.request(), store().aSolo())
    expect(await depths()).toEqual({ waiting: 0, active: 1, completed: 0, oldestReadyAtMs: null })
    const nowMs = await store().nowMs()
    await submit(worker.request({ max: 1 }), store().aSolo(), store().aSolo())
    expect(await depths()).toEqual({ waiting: 1, active: 2, completed: 0, oldestReadyAtMs: nowMs })
    await worker.complete(must(claimed[0], 'a lease').handle)
    expect(await depths()).toEqual({ waiting: 1, active: 1, completed: 1, oldestReadyAtMs: nowMs })
    await submit(worker.request(), store().aSolo())
    expect(await depths()).toEqual({ waiting: 0, active: 3, completed: 1, oldestReadyAtMs: null })
    await store().expectNoIndexFindings()
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
    ['invalid_params', { max: 0 }],
    ['limit_exceeded', { max: 257 }],
    ['invalid_params', { leaseTtlMs: 999 }],
    ['limit_exceeded', { leaseTtlMs: 3_600_001 }],
  ])('refuses a claim with %s (%o), and accepts nothing', async (code, fault) => {
    const next = { ...new WorkerDriver(store()).request(), ...fault } as ClaimRequest
    expect(await codeOf(submit(next, store().aSolo()))).toBe(code)
    expect(await countAll()).toBe(0)
  })

  it('claims nothing when the whole call is refused', async () => {
    const waiting = await submitOne(store())
    const items = Array.from({ length: 1_001 }, () => store().aSolo())
    expect(await codeOf(submit(new WorkerDriver(store()).request(), ...items))).toBe('batch_too_large')
    expect(await publicStateOf(waiting)).toBe('waiting')
  })
})

function idsOf(leases: readonly ClaimedExecution[]): ExecutionId[] {
  return leases.map(({ executionId }) => executionId)
}
