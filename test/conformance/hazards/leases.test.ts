import { parseKind, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

/** What systems of this kind fell into, as far as it concerns leases, lanes and time; each test has the name of its hazard. */
describe('hazards of leases', () => {
  const store = useStore({})

  it('an expired lease stays in the expiry index and hides later ones (head of line)', async () => {
    const worker = new WorkerDriver(store())
    const ids = []
    for (let i = 0; i < 5; i += 1) {
      ids.push(await submitOne(store()))
      await worker.claimOne({ leaseTtlMs: 1_000 + i })
    }
    await store().advance(10_000)
    const applied = []
    // One at a time: each call makes progress, and none meets what an earlier one has done.
    for (let call = 0; call < 40 && applied.length < ids.length; call += 1)
      for (const partition of store().partitions)
        applied.push(...(await store().backend.maintenance.drainTimers({ partition, max: 1 })).items)
    expect(new Set(applied.map(({ id }) => id))).toEqual(new Set(ids))
    expect(applied).toHaveLength(ids.length)
    await store().expectNoIndexFindings()
  })

  it("a dead worker's execution is only marked expired; someone must ask for a reclaim", async () => {
    const worker = new WorkerDriver(store())
    const id = await submitOne(store())
    await worker.claimOne({ leaseTtlMs: 1_000 })
    await store().pass(1_000)
    const again = await new WorkerDriver(store()).claimOne()
    expect(again).toMatchObject({ executionId: id, attemptType: 'reclaim', attemptIndex: 1 })
  })

  it('a delayed resume never becomes due, because one field was not written', async () => {
    const worker = new WorkerDriver(store())
    const id = await submitOne(store())
    const { handle } = await worker.claimOne()
    await worker.delay(handle, (await store().nowMs()) + 5_000)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'delayed',
      notBeforeMs: (await store().nowMs()) + 5_000,
    })
    await store().pass(5_000)
    expect((await readOne(store(), id)).publicState).toBe('resumable')
    expect(await worker.claimOne()).toMatchObject({ executionId: id, attemptIndex: 0 })
  })

  it('concurrency slots leak and a queue freezes', async () => {
    const { backend, namespace } = store()
    await backend.lanes.configure({ namespace, lane: parseLaneId('solos'), settings: { concurrency: 1 } })
    for (let i = 0; i < 12; i += 1) await submitOne(store())
    const ways = ['complete', 'fail', 'crash', 'revoke', 'cancel', 'delay'] as const
    for (const way of [...ways, ...ways]) {
      const worker = new WorkerDriver(store())
      const lease = await worker.claimOne({ leaseTtlMs: 1_000 })
      expect(await worker.claim(), way).toEqual([])
      if (way === 'complete') await worker.complete(lease.handle)
      if (way === 'fail') await worker.fail(lease.handle, { retry: 'never' })
      if (way === 'crash') await store().pass(1_000)
      if (way === 'revoke') await backend.leases.revoke({ namespace, id: lease.executionId })
      if (way === 'cancel') await backend.executions.cancel({ namespace, id: lease.executionId })
      if (way === 'delay') await worker.delay(lease.handle, (await store().nowMs()) + 600_000)
    }
    expect(await new WorkerDriver(store()).claim()).toHaveLength(1)
  })

  it('two loops race on the same expired lease with opposite effect', async () => {
    const worker = new WorkerDriver(store())
    const id = await submitOne(store(), { timeouts: { deadlineMs: 1_000 } })
    await worker.claimOne({ leaseTtlMs: 1_000 })
    await store().pass(1_000)
    // The deadline owns it: it isn't made claimable first and expired then.
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'expired', reclaimCount: 0 })
    expect((await store().eventsOf(id)).map(({ publicState }) => publicState)).toEqual(['expired'])
  })

  it('work for a scarce capability waits minutes behind work nobody can do', async () => {
    const { backend, namespace } = store()
    const items = Array.from({ length: 400 }, () => store().aSolo({ capabilities: ['rare'], priority: 9 }))
    await backend.executions.submit({ namespace, items: items.slice(0, 200) })
    await backend.executions.submit({ namespace, items: items.slice(200) })
    const servable = await submitOne(store(), { capabilities: ['gpu'] })
    const worker = new WorkerDriver(store(), { capabilities: ['gpu'], kinds: [parseKind('work')] })
    expect((await worker.claim({ max: 1 })).map(({ executionId }) => executionId)).toEqual([servable])
  })

  it('time fields overloaded (a delay kept in the deadline column)', async () => {
    const nowMs = await store().nowMs()
    const id = await submitOne(store(), {
      delayMs: 10_000,
      timeouts: { deadlineMs: 60_000, queueTtlMs: 40_000 },
    })
    expect(await readOne(store(), id)).toMatchObject({
      notBeforeMs: nowMs + 10_000,
      deadlineAtMs: null,
      firstEligibleAtMs: null,
    })
    await store().pass(10_000)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      notBeforeMs: null,
      firstEligibleAtMs: nowMs + 10_000,
      deadlineAtMs: nowMs + 70_000,
    })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.fail(handle, { retry: { afterMs: 20_000 } })
    expect(await readOne(store(), id)).toMatchObject({
      notBeforeMs: nowMs + 30_000,
      deadlineAtMs: nowMs + 70_000,
    })
  })

  it('a blocked execution needs an operator to unblock it', async () => {
    const { backend, namespace } = store()
    const reasons = [
      await submitOne(store(), { delayMs: 1_000 }),
      await submitOne(store()),
      await submitOne(store()),
    ]
    const worker = new WorkerDriver(store())
    const [first, second] = await worker.claim({ max: 2, leaseTtlMs: 1_000 })
    await worker.fail(first?.handle ?? '', { retry: { afterMs: 1_000 } })
    expect(second).toBeDefined()
    await store().pass(1_000)
    const got = (await worker.claim()).map(({ executionId }) => executionId)
    expect(new Set(got)).toEqual(new Set(reasons))
    expect(await backend.executions.count({ namespace, filter: { states: ['active'] } })).toMatchObject({
      count: 3,
    })
  })
})
