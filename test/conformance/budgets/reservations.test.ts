import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

describe('reservations in a budget', () => {
  const store = useStore()
  const minuteMs = 60_000

  it('are made at claim, and never come to more than the hard limit', async () => {
    const driver = new AdmissionDriver(store())
    await driver.budget(100)
    const ids = []
    for (const tokens of [40, 40, 40]) ids.push(await driver.submitBudget(tokens))
    expect(await driver.readBudget()).toMatchObject({ reserved: {}, used: {} })
    expect(await driver.claimIds()).toEqual(ids.slice(0, 2))
    expect(await driver.readBudget()).toMatchObject({ reserved: { tokens: 80 }, used: {}, waiting: 1 })
    expect(await readOne(store(), ids[2] as never)).toMatchObject({
      publicState: 'rate_limited',
      state: { eligibilityState: 'blocked_by_budget', blockingReason: 'waiting_for_budget' },
    })
  })

  it('are judged in every dimension', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(null, {
      limits: {
        tokens: { soft: null, hard: 100 },
        calls: { soft: null, hard: 2 },
        seen: { soft: 1, hard: null },
      },
    })
    const submit = (estimate: Record<string, number>) =>
      submitOne(store(), { budgets: [{ budgetId, estimate }] })
    const fits = [await submit({ tokens: 10, calls: 1, seen: 9 }), await submit({ calls: 1 })]
    const last = await submit({ tokens: 1, calls: 1 })
    expect(await driver.claimIds()).toEqual(fits)
    expect(await driver.readBudget()).toMatchObject({ reserved: { tokens: 10, calls: 2, seen: 9 } })
    expect((await readOne(store(), last)).publicState).toBe('rate_limited')
  })

  it('come off as usage is reported, which may pass them, and the rest is given back', async () => {
    const driver = new AdmissionDriver(store())
    await driver.budget(100)
    const [first, second] = [await driver.submitBudget(60), await driver.submitBudget(50)]
    const { handle } = await driver.worker.claimOne()
    expect(await driver.spend(handle, 20, 'a')).toEqual({ outcome: 'ok', used: { tokens: 20 } })
    expect(await driver.readBudget()).toMatchObject({ used: { tokens: 20 }, reserved: { tokens: 40 } })
    expect(await driver.spend(handle, 50, 'b')).toEqual({ outcome: 'ok', used: { tokens: 70 } })
    expect(await driver.readBudget()).toMatchObject({ used: { tokens: 70 }, reserved: {} })
    await driver.worker.complete(handle)
    await store().settle()
    expect(await driver.readBudget()).toMatchObject({ used: { tokens: 70 }, reserved: {}, waiting: 1 })
    expect((await readOne(store(), first)).publicState).toBe('completed')
    expect((await readOne(store(), second)).publicState).toBe('rate_limited')
  })

  it('are given back by whatever ends, puts aside or loses the attempt', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.budget(100)
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
      const id = await driver.submitBudget(30, { retry: steadyRetry({ initialMs: minuteMs }), timeouts })
      const { handle } = await worker.claimOne()
      expect(await driver.readBudget(), name).toMatchObject({ reserved: { tokens: 30 } })
      await end(handle, id as never)
      await store().settle()
      expect((await driver.readBudget()).reserved, name).toEqual({})
      await backend.executions.cancel({ namespace, id })
      await store().settle()
    }
    expect((await driver.readBudget()).used).toEqual({})
  })

  it('wake who waits when they are given back', async () => {
    const driver = new AdmissionDriver(store())
    await driver.budget(100)
    await driver.submitBudget(80)
    const { handle } = await driver.worker.claimOne()
    const waiting = await driver.submitBudget(30)
    expect(await driver.claimIds()).toEqual([])
    await driver.spend(handle, 10)
    await driver.worker.complete(handle)
    await store().settle()
    expect((await readOne(store(), waiting)).publicState).toBe('waiting')
    expect(await driver.claimIds()).toEqual([waiting])
  })

  it('are made anew, in full, when an attempt goes on', async () => {
    const driver = new AdmissionDriver(store())
    const { worker } = driver
    await driver.budget(100)
    const id = await driver.submitBudget(60)
    const { handle } = await worker.claimOne()
    await driver.spend(handle, 30)
    await worker.delay(handle, (await store().nowMs()) + 1_000)
    await store().pass(1_000)
    const again = await worker.claimOne()
    expect(again).toMatchObject({ executionId: id, attemptIndex: 0 })
    expect(await driver.readBudget()).toMatchObject({ used: { tokens: 30 }, reserved: { tokens: 60 } })
    await worker.delay(again.handle, (await store().nowMs()) + 1_000)
    const other = await driver.submitBudget(50)
    await store().settle()
    expect(await driver.claimIds()).toEqual([other])
    await store().pass(1_000)
    expect(await driver.claimIds()).toEqual([])
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'rate_limited',
      state: { attemptState: 'pending_resume' },
    })
  })

  it('without an estimate are none, and nothing starts once all is spent', async () => {
    const driver = new AdmissionDriver(store())
    await driver.budget(10)
    const [first, second] = [await driver.submitBudget(), await driver.submitBudget()]
    const lease = await driver.worker.claimOne({ max: 1 })
    expect(lease.executionId).toBe(first)
    expect(await driver.spend(lease.handle, 10)).toEqual({ outcome: 'ok', used: { tokens: 10 } })
    expect(await driver.claimIds()).toEqual([])
    expect((await readOne(store(), second)).publicState).toBe('rate_limited')
  })

  it('are judged after quotas, which a refusal gives back', async () => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ concurrency: 1, rate: { units: 5, windowMs: 60_000 } })
    const budgetId = await driver.budget(10)
    const id = await submitOne(store(), {
      quotas: [{ quotaId, cost: 2 }],
      budgets: [{ budgetId, estimate: { tokens: 11 } }],
    })
    expect(await driver.claimIds()).toEqual([])
    expect((await readOne(store(), id)).state.blockingReason).toBe('waiting_for_budget')
    expect(await driver.readQuota()).toMatchObject({ held: 0, unitsInWindow: 0, waiting: 0 })
    const { namespace } = store()
    const raised = { tokens: { soft: null, hard: 11 } }
    await driver.budgets.update({ namespace, budgetId, settings: { limits: raised } })
    await store().settle()
    expect(await driver.claimIds()).toEqual([id])
    expect(await driver.readQuota()).toMatchObject({ held: 1, unitsInWindow: 2 })
  })

  it('of several budgets are all or none', async () => {
    const driver = new AdmissionDriver(store())
    const [a, b] = [await driver.budget(100), await driver.budget(5)].sort()
    const ids = [a as never, b as never]
    await submitOne(store(), {
      budgets: ids.map((budgetId) => ({ budgetId, estimate: { tokens: 10 } })),
    })
    expect(await driver.claimIds()).toEqual([])
    for (const id of ids) expect((await driver.readBudget(id)).reserved).toEqual({})
  })

  it('are made for members of a flow', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(10)
    const node = { budgets: [{ budgetId, estimate: { tokens: 10 } }] }
    const flow = await FlowDriver.submit(store(), { a: node, b: { ...node, after: ['a'] } })
    expect(await flow.tryStart('a')).toEqual(['a'])
    await flow.complete('a')
    await store().settle()
    expect(await flow.tryStart('b')).toEqual(['b'])
    await flow.cancel('cancel_all')
    await store().settle()
    expect((await driver.readBudget()).reserved).toEqual({})
  })
})
