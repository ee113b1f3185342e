import { must } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { readOne, steadyRetry } from '../../support/builders.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

describe('the rate of a quota', () => {
  const store = useStore()

  it('lets so many units through in any window, and says when there is room', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ rate: { units: 2, windowMs: 1_000 } })
    const startMs = await store().nowMs()
    const ids = []
    for (let n = 0; n < 5; n += 1) ids.push(await driver.submitQuota())
    expect(await driver.claimIds(1)).toEqual(ids.slice(0, 1))
    await store().pass(400)
    expect(await driver.claimIds()).toEqual(ids.slice(1, 2))
    expect(await driver.readQuota()).toMatchObject({
      held: 2,
      unitsInWindow: 2,
      waiting: 1,
      retryAtMs: startMs + 1_000,
    })
    await store().pass(599)
    expect(await driver.claimIds()).toEqual([])
    expect((await readOne(store(), ids[2] as never)).publicState).toBe('rate_limited')
    await store().pass(1)
    expect(await driver.claimIds()).toEqual(ids.slice(2, 3))
    await store().pass(400)
    expect(await driver.claimIds()).toEqual(ids.slice(3, 4))
    await store().pass(600)
    expect(await driver.claimIds()).toEqual(ids.slice(4))
    await store().pass(1_000)
    expect(await driver.readQuota()).toMatchObject({ unitsInWindow: 0, retryAtMs: null })
  })

  it('is exact over a long time: never above the limit, and below it by less than one in a hundred', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ rate: { units: 20, windowMs: 2_000 } })
    const items = Array.from({ length: 120 }, () => store().aSolo({ quotas: [{ quotaId: driver.quotaId }] }))
    await store().backend.executions.submit({ namespace: store().namespace, items })
    const starts: number[] = []
    for (let elapsed = 0; elapsed < 10_000; elapsed += 97) {
      const nowMs = await store().nowMs()
      for (const _ of await driver.claimIds(7)) starts.push(nowMs)
      await store().pass(97)
    }
    for (const startMs of starts)
      expect(starts.filter((atMs) => atMs >= startMs && atMs < startMs + 2_000).length).toBeLessThanOrEqual(
        20,
      )
    expect(starts.length).toBeGreaterThanOrEqual(95)
  })

  it('counts a unit until a whole window after the end of its step', async () => {
    const driver = new AdmissionDriver(store())
    // Its steps are 60 ms long.
    await driver.quota({ rate: { units: 1, windowMs: 60_000 } })
    const intoStepMs = (await store().nowMs()) % 60
    await store().advance(60 - intoStepMs + 59)
    await driver.submitQuota()
    const [first] = await driver.claimAll()
    await driver.worker.complete(must(first, 'a lease').handle)
    const next = await driver.submitQuota()
    await store().pass(59_999)
    expect(await driver.readQuota()).toMatchObject({
      unitsInWindow: 1,
      retryAtMs: (await store().nowMs()) + 1,
    })
    expect(await driver.claimIds()).toEqual([])
    await store().pass(1)
    expect(await driver.claimIds()).toEqual([next])
  })

  it('counts no more under a longer window what counted no more under the one before', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ rate: { units: 2, windowMs: 1_000 } })
    const keys = ['', 'one', 'two', 'three']
    for (const key of keys) await driver.submitQuota({ key })
    expect(await driver.claimIds()).toHaveLength(4)
    await store().pass(700)
    for (const key of keys) await driver.submitQuota({ key })
    expect(await driver.claimIds()).toHaveLength(4)
    await store().pass(400)
    const change = (rate: { readonly units: number; readonly windowMs: number } | null) =>
      driver.quotas.update({ namespace: store().namespace, quotaId, settings: { rate } })
    await change({ units: 2, windowMs: 60_000 })
    for (const key of keys) expect((await driver.readQuota(key)).unitsInWindow).toBe(1)
    for (const key of [...keys, ...keys]) await driver.submitQuota({ key })
    expect(await driver.claimIds()).toHaveLength(4)
    await change(null)
    await change({ units: 2, windowMs: 60_000 })
    for (const key of keys) expect((await driver.readQuota(key)).unitsInWindow).toBe(0)
  })

  it('counts what each costs, and lets through for nothing what costs nothing', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ rate: { units: 5, windowMs: 60_000 } })
    const [three, alsoThree] = [await driver.submitQuota({ cost: 3 }), await driver.submitQuota({ cost: 3 })]
    const free = await driver.submitQuota({ cost: 0, key: 'other' })
    expect(new Set(await driver.claimIds())).toEqual(new Set([three, free]))
    expect((await readOne(store(), alsoThree)).publicState).toBe('rate_limited')
    expect(await driver.readQuota()).toMatchObject({ unitsInWindow: 3 })
    expect(await driver.readQuota('other')).toMatchObject({ unitsInWindow: 0 })
  })

  it('keeps what can never fit waiting until the limit is raised, and nothing behind it', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ rate: { units: 5, windowMs: 1_000 } })
    const { namespace } = store()
    const large = await driver.submitQuota({ cost: 6 })
    expect(await driver.claimIds()).toEqual([])
    await store().pass(10_000)
    expect((await readOne(store(), large)).publicState).toBe('rate_limited')
    await driver.quotas.update({ namespace, quotaId, settings: { rate: { units: 6, windowMs: 1_000 } } })
    await store().settle()
    expect(await driver.claimIds()).toEqual([large])
  })

  it('is paid by each attempt that begins, and not by one that goes on', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ rate: { units: 100, windowMs: 3_600_000 } })
    const units = async () => (await driver.readQuota()).unitsInWindow
    const id = await driver.submitQuota({ cost: 10 }, { retry: steadyRetry() })
    const first = await worker.claimOne()
    expect(await units()).toBe(10)
    await worker.delay(first.handle, (await store().nowMs()) + 1_000)
    await store().pass(1_000)
    const second = await worker.claimOne()
    expect(await units()).toBe(10)
    const suspension = new SuspensionDriver(store())
    const waitpointId = await suspension.waitpoint(id)
    await suspension.suspend({ id, handle: second.handle }, { condition: onSignal(waitpointId) })
    await suspension.signal(waitpointId)
    const third = await worker.claimOne()
    expect(await units()).toBe(10)
    await worker.fail(third.handle)
    await store().pass(1_000)
    const fourth = await worker.claimOne({ leaseTtlMs: 1_000 })
    expect(await units()).toBe(20)
    await store().pass(1_000)
    await worker.claimOne()
    expect(await units()).toBe(30)
    expect(fourth.attemptIndex).toBe(1)
  })

  it('lets what goes on through when it has no units left', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ rate: { units: 1, windowMs: 3_600_000 } })
    const id = await driver.submitQuota()
    const { handle } = await worker.claimOne()
    await worker.delay(handle, (await store().nowMs()) + 1_000)
    await store().pass(1_000)
    expect((await worker.claimOne()).executionId).toBe(id)
  })

  it('gets its units back from what is handed back unstarted, and from nothing else', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ rate: { units: 2, windowMs: 60_000 } })
    const id = await driver.submitQuota({ cost: 2 })
    const { handle } = await worker.claimOne()
    await store().advance(1_000)
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
    await store().settle()
    expect(await driver.readQuota()).toMatchObject({ held: 0, unitsInWindow: 0 })
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
    const again = await worker.claimOne()
    expect(again.executionId).toBe(id)
    await worker.complete(again.handle)
    await store().settle()
    expect(await driver.readQuota()).toMatchObject({ held: 0, unitsInWindow: 2 })
  })

  it('and slots are judged together', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ rate: { units: 3, windowMs: 1_000 }, concurrency: 2 })
    for (let n = 0; n < 4; n += 1) await driver.submitQuota()
    const leases = await driver.claimAll()
    expect(leases).toHaveLength(2)
    for (const { handle } of leases) await driver.worker.complete(handle)
    await store().settle()
    expect(await driver.claimAll()).toHaveLength(1)
    await store().pass(1_000)
    expect(await driver.claimAll()).toHaveLength(1)
  })
})
