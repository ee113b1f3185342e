import { type ExecutionId, must } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('a full quota', () => {
  const store = useStore()

  it('that drops new work ends it as cancelled, and takes what comes when there is room', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1, strategy: 'drop_new' })
    const ids = [await driver.submitQuota(), await driver.submitQuota(), await driver.submitQuota()]
    const plain = await submitOne(store())
    const leases = await driver.claimAll()
    expect(leases.map(({ executionId }) => executionId).sort()).toEqual([ids[0], plain].sort())
    for (const id of ids.slice(1))
      expect(await readOne(store(), id)).toMatchObject({ publicState: 'cancelled', cancelCause: 'quota' })
    expect(await driver.readQuota()).toMatchObject({ held: 1, waiting: 0 })
    for (const { handle } of leases) await driver.worker.complete(handle)
    await store().settle()
    const next = await driver.submitQuota()
    expect(await driver.claimIds()).toEqual([next])
  })

  it('that drops new work for want of units, too', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ rate: { units: 1, windowMs: 1_000 }, strategy: 'drop_new' })
    const [kept, dropped] = [await driver.submitQuota(), await driver.submitQuota()]
    expect(await driver.claimIds()).toEqual([kept])
    expect((await readOne(store(), dropped)).cancelCause).toBe('quota')
  })

  it('that drops a member of a flow goes on as after a cancel', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ concurrency: 1, strategy: 'drop_new' })
    await driver.fill()
    const flow = await FlowDriver.submit(store(), {
      a: { quotas: [{ quotaId }] },
      b: { after: ['a'] },
      c: { after: ['a'], join: { runOn: 'groupImpossible' } },
    })
    expect(await flow.tryStart('a')).toEqual([])
    await flow.settle()
    expect(await flow.states()).toMatchObject({ a: 'cancelled', b: 'skipped', c: 'waiting' })
  })

  it('that cancels the oldest asks one holder to go for each that waits', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.quota({ concurrency: 2, strategy: 'cancel_oldest' })
    const [oldest, second] = [await driver.submitQuota(), await driver.submitQuota()]
    await store().advance(1)
    const first = await worker.claimOne({ max: 1 })
    await store().advance(1)
    expect((await worker.claimOne({ max: 1 })).executionId).toBe(second)
    const next = await driver.submitQuota()
    expect(await driver.claimIds()).toEqual([])
    expect((await readOne(store(), next)).publicState).toBe('rate_limited')
    await store().settle()
    expect(await readOne(store(), oldest)).toMatchObject({ publicState: 'cancelled', cancelCause: 'quota' })
    expect(await worker.complete(first.handle)).toMatchObject({ outcome: 'execution_not_active' })
    expect((await readOne(store(), second)).publicState).toBe('active')
    expect(await driver.claimIds()).toEqual([next])
  })

  /** Makes one after the other go, and looks who did. */
  const expectToGo = async (driver: AdmissionDriver, ids: readonly ExecutionId[]) => {
    for (const [place] of ids.entries()) {
      const next = await driver.submitQuota()
      expect(await driver.claimIds()).toEqual([])
      await store().settle()
      const states = await Promise.all(ids.map(async (id) => (await readOne(store(), id)).publicState))
      expect(states).toEqual(ids.map((_, other) => (other <= place ? 'cancelled' : 'active')))
      expect(await driver.claimIds()).toEqual([next])
    }
  }

  it('that cancels the oldest goes by the order in which they were taken, also of those that one claim took', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 4, strategy: 'cancel_oldest' })
    const ids = [await driver.submitQuota(), await driver.submitQuota(), await driver.submitQuota()]
    expect(await driver.claimIds()).toEqual(ids)
    ids.push(await driver.submitQuota())
    expect(await driver.claimIds()).toEqual(ids.slice(3))
    await expectToGo(driver, ids)
  })

  it('that cancels the oldest does so with other work between those that one claim took', async () => {
    const driver = new AdmissionDriver(store())
    const other = await driver.quota()
    await driver.quota({ concurrency: 2, strategy: 'cancel_oldest' })
    const first = await driver.submitQuota()
    const between = await driver.submitQuota({}, { quotas: [{ quotaId: other }] })
    const second = await driver.submitQuota()
    expect(await driver.claimIds()).toEqual([first, between, second])
    await expectToGo(driver, [first, second])
    expect((await readOne(store(), between)).publicState).toBe('active')
  })

  it('asks nobody to go for one that stands behind another that waits for a budget', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ concurrency: 2, strategy: 'cancel_oldest' })
    const budgetId = await driver.budget(5)
    const submit = (tokens: number) =>
      submitOne(store(), { quotas: [{ quotaId }], budgets: [{ budgetId, estimate: { tokens } }] })
    const holder = await submit(1)
    expect(await driver.claimIds()).toEqual([holder])
    const heads: ExecutionId[] = []
    for (let place = 0; place < 3; place += 1) {
      await store().advance(1)
      heads.push(await submit(5))
    }
    expect(await driver.claimIds()).toEqual([])
    await store().settle()
    expect((await readOne(store(), holder)).publicState).toBe('active')
    expect(await driver.readQuota()).toMatchObject({ held: 1, waiting: 0 })
    expect(await driver.readBudget()).toMatchObject({ reserved: { tokens: 1 }, waiting: 1 })
    expect((await readOne(store(), must(heads[0], 'a head'))).publicState).toBe('rate_limited')
  })

  it('that cancels the oldest waits for a window as any other', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ rate: { units: 1, windowMs: 1_000 }, strategy: 'cancel_oldest' })
    const [first, second] = [await driver.submitQuota(), await driver.submitQuota()]
    expect(await driver.claimIds()).toEqual([first])
    await store().settle()
    expect((await readOne(store(), first)).publicState).toBe('active')
    await store().pass(1_000)
    expect(await driver.claimIds()).toEqual([second])
  })
})
