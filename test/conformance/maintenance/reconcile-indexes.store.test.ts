import { describe, expect, it } from 'vitest'
import { readOne, submitOne } from '../../support/builders.js'
import { createStoreFaults } from '../../support/faults/open.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('maintenance.reconcileIndexes', () => {
  const store = useStore({}, { faulty: true })

  async function reconcile() {
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.maintenance.reconcileIndexes({ partition, max: 1_000 })).items)
    return items
  }

  it('finds nothing when healthy', async () => {
    await submitOne(store())
    await submitOne(store(), { delayMs: 1_000, timeouts: { deadlineMs: 5_000 } })
    await new WorkerDriver(store()).claim()
    await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    expect(await reconcile()).toEqual([])
  })

  it('sets a timer again that was lost, and says so once', async () => {
    const id = await submitOne(store(), { delayMs: 1_000 })
    await createStoreFaults(store().opened).forgetTimer(id)
    await store().advance(1_000)
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('delayed')
    const found = await reconcile()
    expect(found).toMatchObject([{ outcome: 'repaired', id }])
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('waiting')
    expect(await reconcile()).toEqual([])
  })

  it('a lease whose timer was lost is reaped all the same', async () => {
    const id = await submitOne(store())
    await new WorkerDriver(store()).claimOne({ leaseTtlMs: 1_000 })
    await createStoreFaults(store().opened).forgetTimer(id)
    await store().advance(1_000)
    await reconcile()
    await store().settle()
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'waiting', reclaimCount: 1 })
  })

  it('names a node that no group will let go', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await createStoreFaults(store().opened).removeGroup(flow.id('b'))
    const found = (await reconcile()).filter(({ id }) => id === flow.id('b'))
    expect(found).toMatchObject([{ outcome: 'violation' }])
  })
})
