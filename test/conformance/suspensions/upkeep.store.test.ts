import { describe, expect, it } from 'vitest'
import { readOne } from '../../support/builders.js'
import { createStoreFaults } from '../../support/faults/open.js'
import { SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

describe('maintenance.reconcileIndexes of what is suspended', () => {
  const store = useStore({}, { faulty: true })

  async function reconcile() {
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.maintenance.reconcileIndexes({ partition, max: 1_000 })).items)
    return items
  }

  const timeout = { afterMs: 1_000, behaviour: 'auto_resume' } as const

  it('finds nothing when healthy, whatever became of a suspension', async () => {
    const driver = new SuspensionDriver(store())
    await driver.suspended()
    await driver.suspended({ timeout: { ...timeout, behaviour: 'escalate' } })
    await driver.suspended({ timeout: { ...timeout, behaviour: 'fail' } })
    const resumed = await driver.suspended({ timeout })
    await driver.signal(resumed.waitpointId)
    expect(await reconcile()).toEqual([])
    await store().pass(1_000)
    expect(await reconcile()).toEqual([])
  })

  it('sets a timeout again that was lost, and says so once', async () => {
    const { id } = await new SuspensionDriver(store()).suspended({ timeout })
    await createStoreFaults(store().opened).forgetTimer(id)
    await store().advance(1_000)
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('suspended')
    expect(await reconcile()).toMatchObject([{ outcome: 'repaired', id }])
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('resumable')
    expect(await reconcile()).toEqual([])
  })
})
