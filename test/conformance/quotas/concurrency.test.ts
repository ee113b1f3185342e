import { parseLaneId } from '@flowfabric/core'
import { describe, expect, it, vi } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { settle } from '../../support/drive.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('slots of a quota', () => {
  const store = useStore()
  const minuteMs = 60_000

  it('are never more than its concurrency, and each key has its own', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 2 })
    for (const key of ['a', 'a', 'a', 'b', 'b']) await driver.submitQuota({ key })
    expect(await driver.claimAll()).toHaveLength(4)
    expect(await driver.readQuota('a')).toMatchObject({ held: 2, waiting: 1 })
    expect(await driver.readQuota('b')).toMatchObject({ held: 2, waiting: 0 })
    expect(await driver.readQuota('')).toMatchObject({ held: 0, waiting: 0 })
  })

  it('show what waits: the refused head alone is blocked, and only until there is room', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1 })
    const [first, head, next] = [
      await driver.submitQuota(),
      await driver.submitQuota(),
      await driver.submitQuota(),
    ]
    const [lease] = await driver.claimAll()
    expect(lease?.executionId).toBe(first)
    expect(await readOne(store(), head)).toMatchObject({
      publicState: 'rate_limited',
      state: {
        lifecyclePhase: 'runnable',
        eligibilityState: 'blocked_by_quota',
        blockingReason: 'waiting_for_quota',
        attemptState: 'pending_first_attempt',
      },
    })
    expect((await readOne(store(), next)).publicState).toBe('waiting')
    const { readyAtMs } = await readOne(store(), head)
    expect(await driver.claimIds()).toEqual([])
    await store().advance(1_000)
    await driver.worker.complete(lease?.handle ?? '')
    await store().settle()
    expect(await readOne(store(), head)).toMatchObject({ publicState: 'waiting', readyAtMs })
    expect(await driver.claimIds()).toEqual([head])
    expect((await readOne(store(), next)).publicState).toBe('rate_limited')
  })

  it('are freed by whatever ends, puts aside or loses the attempt', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ concurrency: 1 })
    const { backend, namespace } = store()
    const suspension = new SuspensionDriver(store())
    const ends: Record<string, (handle: string, id: never) => Promise<unknown>> = {
      complete: (handle) => worker.complete(handle),
      fail: (handle) => worker.fail(handle, { retry: 'never' }),
      retry: (handle) => worker.fail(handle),
      delay: async (handle) => worker.delay(handle, (await store().nowMs()) + minuteMs),
      yield: (handle) => worker.yield(handle),
      suspend: async (handle, id) => {
        const waitpointId = await suspension.waitpoint(id)
        return suspension.suspend({ id, handle }, { condition: onSignal(waitpointId) })
      },
      cancel: (_, id) => backend.executions.cancel({ namespace, id }),
      revoke: (_, id) => backend.leases.revoke({ namespace, id }),
      reap: () => store().pass(30_000),
      attemptTimeout: () => store().pass(10_000),
      deadline: () => store().pass(20_000),
    }
    for (const [name, end] of Object.entries(ends)) {
      const timeouts = {
        ...(name === 'attemptTimeout' && { attemptTimeoutMs: 10_000 }),
        ...(name === 'deadline' && { deadlineMs: 20_000 }),
      }
      const id = await driver.submitQuota({}, { retry: steadyRetry({ initialMs: minuteMs }), timeouts })
      const { handle } = await worker.claimOne()
      expect(await driver.readQuota(), name).toMatchObject({ held: 1 })
      await end(handle, id as never)
      await store().settle()
      expect(await driver.readQuota(), name).toMatchObject({ held: 0 })
      await backend.executions.cancel({ namespace, id })
      await store().settle()
    }
  })

  it('are not taken by a completion that comes late', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1 })
    await driver.submitQuota()
    const late = await driver.worker.claimOne({ leaseTtlMs: 1_000 })
    const other = await driver.submitQuota({}, { lane: parseLaneId('other') })
    await store().pass(1_000)
    const elsewhere = new WorkerDriver(store(), { lanes: [parseLaneId('other')] })
    expect((await elsewhere.claimOne()).executionId).toBe(other)
    expect(await driver.worker.complete(late.handle)).toEqual({ outcome: 'completed', late: true })
    await store().settle()
    expect(await driver.readQuota()).toMatchObject({ held: 1 })
  })

  it('are taken again by what is retried, reclaimed, or goes on', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ concurrency: 1 })
    const id = await driver.submitQuota({}, { retry: steadyRetry() })
    const first = await worker.claimOne()
    await worker.fail(first.handle)
    await store().settle()
    const filler = await driver.fill()
    await store().pass(1_000)
    expect(await driver.claimIds()).toEqual([])
    expect((await readOne(store(), id)).state).toMatchObject({
      eligibilityState: 'blocked_by_quota',
      attemptState: 'pending_retry_attempt',
    })
    await worker.complete(filler)
    await store().settle()
    const second = await worker.claimOne({ leaseTtlMs: 1_000 })
    await store().pass(1_000)
    const holder = await driver.fill()
    expect(await driver.claimIds()).toEqual([])
    // Its last holder may still end it while it waits for room.
    expect((await readOne(store(), id)).state).toMatchObject({
      ownershipState: 'lease_expired_reclaimable',
      attemptState: 'pending_reclaim_attempt',
    })
    expect(await worker.complete(second.handle)).toEqual({ outcome: 'completed', late: true })
    await worker.complete(holder)
    await store().settle()
    expect(await driver.readQuota()).toMatchObject({ held: 0, waiting: 0 })
  })

  it('are admitted to again by what was put aside, before the same attempt goes on', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ concurrency: 1 })
    const id = await driver.submitQuota()
    const { handle } = await worker.claimOne()
    await worker.delay(handle, (await store().nowMs()) + 1_000)
    await store().settle()
    const filler = await driver.fill()
    await store().pass(1_000)
    expect(await driver.claimIds()).toEqual([])
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'rate_limited',
      state: { attemptState: 'pending_resume' },
    })
    await worker.complete(filler)
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('resumable')
    expect(await worker.claimOne()).toMatchObject({ executionId: id, attemptIndex: 0 })
  })

  it('wait behind the head of their admission key, while others go ahead', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1 })
    const full = await driver.fill('full')
    const heads = [await driver.submitQuota({ key: 'full' }), await driver.submitQuota({ key: 'full' })]
    const free = [await driver.submitQuota({ key: 'free' }), await submitOne(store())]
    expect(new Set(await driver.claimIds())).toEqual(new Set(free))
    expect(await driver.readQuota('full')).toMatchObject({ held: 1, waiting: 1 })
    await driver.worker.complete(full)
    await store().settle()
    expect(await driver.claimIds()).toEqual(heads.slice(0, 1))
  })

  it('are offered to the line that waits longest', async () => {
    const driver = new AdmissionDriver(store())
    const ample = await driver.quota({ concurrency: 100 })
    const quotaId = await driver.quota({ concurrency: 1 })
    const handle = await driver.fill()
    const ids = []
    for (const key of ['a', 'b', 'c']) {
      ids.push(await driver.submitQuota({}, { quotas: [{ quotaId }, { quotaId: ample, key }] }))
      expect(await driver.claimIds()).toEqual([])
    }
    await driver.worker.complete(handle)
    await settle(store().backend, store().partitions)
    // By whoever freed the slot, in some stores.
    await vi.waitUntil(async () => {
      await driver.quotas.wakeParked({ partition: driver.quotaPartition(), max: 1 })
      return (await driver.readQuota()).waiting < 3
    })
    const states = await Promise.all(ids.map((id) => readOne(store(), id)))
    expect(states[0]?.publicState).toBe('waiting')
    expect(states[2]?.publicState).toBe('rate_limited')
  })

  it('take in the next of the key when the head goes another way', async () => {
    const driver = new AdmissionDriver(store())
    const { backend, namespace } = store()
    await driver.quota({ concurrency: 1 })
    const filler = await driver.fill()
    const [head, next] = [await driver.submitQuota(), await driver.submitQuota()]
    await driver.claimIds()
    expect((await readOne(store(), head)).publicState).toBe('rate_limited')
    await backend.executions.hold({ namespace, id: head })
    expect((await readOne(store(), head)).state.eligibilityState).toBe('blocked_by_operator')
    await driver.claimIds()
    expect((await readOne(store(), next)).publicState).toBe('rate_limited')
    await backend.executions.release({ namespace, id: head })
    expect((await readOne(store(), head)).publicState).toBe('waiting')
    await backend.executions.cancel({ namespace, id: next })
    await driver.worker.complete(filler)
    await store().settle()
    expect(await driver.claimIds()).toEqual([head])
  })

  it('are taken from several quotas together or not at all', async () => {
    const driver = new AdmissionDriver(store())
    const [a, b] = [await driver.quota({ concurrency: 1 }), await driver.quota({ concurrency: 1 })]
    const filler = await driver.fill()
    const id = await submitOne(store(), { quotas: [{ quotaId: a }, { quotaId: b }] })
    expect(await driver.claimIds()).toEqual([])
    expect(await driver.readQuota('', a)).toMatchObject({ held: 0 })
    expect(await driver.readQuota('', b)).toMatchObject({ held: 1, waiting: 1 })
    await driver.worker.complete(filler)
    await store().settle()
    const lease = await driver.worker.claimOne()
    expect(lease.executionId).toBe(id)
    expect([(await driver.readQuota('', a)).held, (await driver.readQuota('', b)).held]).toEqual([1, 1])
    await driver.worker.complete(lease.handle)
    await store().settle()
    expect([(await driver.readQuota('', a)).held, (await driver.readQuota('', b)).held]).toEqual([0, 0])
  })

  it('make room when the limit is raised, and stay held when it is lowered', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ concurrency: 1 })
    const { namespace } = store()
    const filler = await driver.fill()
    const id = await driver.submitQuota()
    expect(await driver.claimIds()).toEqual([])
    await driver.quotas.update({ namespace, quotaId, settings: { concurrency: 2 } })
    await store().settle()
    expect(await driver.claimIds()).toEqual([id])
    await driver.quotas.update({ namespace, quotaId, settings: { concurrency: 1 } })
    const later = await driver.submitQuota()
    expect(await driver.claimIds()).toEqual([])
    expect(await driver.readQuota()).toMatchObject({ held: 2 })
    await driver.worker.complete(filler)
    await store().settle()
    expect(await driver.claimIds()).toEqual([])
    await driver.quotas.update({ namespace, quotaId, settings: { concurrency: null } })
    await store().settle()
    expect(await driver.claimIds()).toEqual([later])
  })

  it('are judged for members of a flow, and for what is sealed from a draft', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ concurrency: 1 })
    const flow = new FlowDriver(store())
    const { backend, namespace } = store()
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend({ a: { quotas: [{ quotaId }] }, b: { quotas: [{ quotaId }] } })
    expect(await flow.tryStart('a', 'b')).toEqual([])
    await backend.flows.seal({ namespace, flowId: flow.flowId })
    await store().settle()
    expect(await flow.tryStart('a', 'b')).toHaveLength(1)
    expect(Object.values(await flow.states()).sort()).toEqual(['active', 'rate_limited'])
  })
})

describe('what shares a claim', () => {
  const store = useStore()

  it('takes turns where it is equally urgent, however long the lines are', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 100 })
    for (let n = 0; n < 6; n += 1) await driver.submitQuota({ key: 'long' })
    await store().advance(1)
    const short = [await driver.submitQuota({ key: 'short' }), await submitOne(store())]
    expect(await driver.claimIds(3)).toEqual(expect.arrayContaining(short))
  })

  it('goes by priority first, and in its line by age', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 100 })
    const low = await driver.submitQuota({ key: 'low' })
    await store().advance(1)
    const high = [
      await driver.submitQuota({ key: 'high' }, { priority: 5 }),
      await driver.submitQuota({ key: 'high' }, { priority: 5 }),
    ]
    expect(await driver.claimIds(1)).toEqual(high.slice(0, 1))
    expect(await driver.claimIds(1)).toEqual(high.slice(1))
    expect(await driver.claimIds(1)).toEqual([low])
  })

  it('is not held up by a long line that has no room', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1 })
    await driver.fill('throttled')
    const items = Array.from({ length: 50 }, () =>
      store().aSolo({ quotas: [{ quotaId: driver.quotaId, key: 'throttled' }] }),
    )
    await store().backend.executions.submit({ namespace: store().namespace, items })
    await store().advance(1)
    const behind = await driver.submitQuota({ key: 'free' })
    expect(await driver.claimIds(1)).toEqual([behind])
  })
})
