import { limits } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { codeOf, readOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'

const minuteMs = 60_000

describe('the periods of a budget', () => {
  const store = useStore()

  it('begin aligned, however late somebody looks, and one for all that were missed', async () => {
    const driver = new AdmissionDriver(store())
    const startMs = await store().nowMs()
    await driver.budget(100, { resetPeriodMs: minuteMs, firstResetAtMs: startMs + 10_000 })
    expect(await driver.readBudget()).toMatchObject({ period: 1, nextResetAtMs: startMs + 10_000 })
    await driver.submitBudget(10)
    const { handle } = await driver.worker.claimOne({ leaseTtlMs: 3_600_000 })
    await driver.spend(handle, 4)
    await store().pass(9_999)
    expect(await driver.readBudget()).toMatchObject({ period: 1, used: { tokens: 4 } })
    await store().pass(1)
    expect(await driver.readBudget()).toMatchObject({
      period: 2,
      periodStartedAtMs: startMs + 10_000,
      nextResetAtMs: startMs + 10_000 + minuteMs,
      used: {},
      reserved: { tokens: 6 },
    })
    await store().pass(3 * minuteMs + 5_000)
    expect(await driver.readBudget()).toMatchObject({
      period: 3,
      periodStartedAtMs: startMs + 10_000 + 3 * minuteMs,
      nextResetAtMs: startMs + 10_000 + 4 * minuteMs,
    })
  })

  it('wake who waits', async () => {
    const driver = new AdmissionDriver(store())
    await driver.budget(10, { resetPeriodMs: minuteMs })
    await driver.submitBudget(10)
    const { handle } = await driver.worker.claimOne()
    await driver.spend(handle, 10)
    await driver.worker.complete(handle)
    const next = await driver.submitBudget(10)
    expect(await driver.claimIds()).toEqual([])
    await store().pass(minuteMs - 1)
    expect((await readOne(store(), next)).publicState).toBe('rate_limited')
    await store().pass(1)
    expect(await driver.claimIds()).toEqual([next])
  })

  it('keep what is reserved, and charge what is reported to the one in which it is', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(100)
    const { namespace } = store()
    await driver.submitBudget(60)
    const { handle } = await driver.worker.claimOne()
    await driver.spend(handle, 20, 'before')
    const { budget } = await driver.budgets.reset({ namespace, budgetId, resetKey: 'r' })
    expect(budget).toMatchObject({ period: 2, used: {}, reserved: { tokens: 40 } })
    expect(await driver.spend(handle, 20, 'before')).toEqual({ outcome: 'duplicate' })
    expect(await driver.spend(handle, 15, 'after')).toEqual({ outcome: 'ok', used: { tokens: 15 } })
    expect(await driver.readBudget()).toMatchObject({ used: { tokens: 15 }, reserved: { tokens: 25 } })
    await driver.submitBudget(70)
    expect(await driver.claimIds()).toEqual([])
  })

  it('begin by hand once for each key, and leave the aligned reset where it is', async () => {
    const driver = new AdmissionDriver(store())
    const startMs = await store().nowMs()
    const budgetId = await driver.budget(100, { resetPeriodMs: minuteMs })
    const { namespace } = store()
    await store().advance(1_000)
    const reset = (resetKey: string) => driver.budgets.reset({ namespace, budgetId, resetKey, reason: 'why' })
    const first = await reset('a')
    expect(first).toMatchObject({
      outcome: 'reset',
      budget: { period: 2, periodStartedAtMs: startMs + 1_000, nextResetAtMs: startMs + minuteMs },
    })
    expect(await reset('a')).toEqual({ outcome: 'duplicate', budget: first.budget })
    expect(await reset('b')).toMatchObject({ outcome: 'reset', budget: { period: 3 } })
    await store().pass(limits.idempotencyTtlMs)
    expect((await reset('a')).outcome).toBe('reset')
    expect(await codeOf(reset(''))).toBe('invalid_params')
    expect(
      await codeOf(driver.budgets.reset({ namespace, budgetId, resetKey: 'x', reason: 'y'.repeat(513) })),
    ).toBe('limit_exceeded')
  })

  it('run from now on when the period is changed', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(100)
    const { namespace } = store()
    const update = async (resetPeriodMs: number | null) =>
      (await driver.budgets.update({ namespace, budgetId, settings: { resetPeriodMs } })).budget.nextResetAtMs
    await store().advance(500)
    expect(await update(minuteMs)).toBe((await store().nowMs()) + minuteMs)
    const atMs = await store().nowMs()
    await store().advance(500)
    expect(await update(minuteMs)).toBe(atMs + minuteMs)
    expect(await update(null)).toBeNull()
  })

  it('end a breach', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(10)
    const { namespace } = store()
    await driver.submitBudget()
    const { handle } = await driver.worker.claimOne()
    await driver.spend(handle, 11)
    expect((await driver.readBudget()).breach).toBe('hard_breach')
    const raised = { limits: { tokens: { soft: 5, hard: 20 } } }
    const { budget } = await driver.budgets.update({ namespace, budgetId, settings: raised })
    expect(budget.breach).toBe('soft_breach')
    await driver.budgets.reset({ namespace, budgetId, resetKey: 'r' })
    expect((await driver.readBudget()).breach).toBe('ok')
  })
})

describe('budgets.resetDue and reconcile', () => {
  const store = useStore()

  it('reset what is due, within their bound, and say when the next is', async () => {
    const driver = new AdmissionDriver(store())
    const startMs = await store().nowMs()
    const ids = []
    for (const resetPeriodMs of [1_000, 2_000, 3_000]) ids.push(await driver.budget(1, { resetPeriodMs }))
    const partition = driver.budgetPartition()
    const { backend } = store()
    const pulse = async () => (await backend.maintenance.pulse({ partitions: [partition] })).partitions[0]
    expect(await pulse()).toMatchObject({ pending: [], nextDueAtMs: startMs + 1_000 })
    await store().advance(2_000)
    expect(await pulse()).toMatchObject({ pending: ['budget_resets'] })
    const first = await driver.budgets.resetDue({ partition, max: 1 })
    expect(first).toMatchObject({
      items: [{ outcome: 'reset', budgetId: ids[0], nextResetAtMs: startMs + 3_000 }],
      more: true,
    })
    const second = await driver.budgets.resetDue({ partition, max: 10 })
    expect(second).toMatchObject({ items: [{ budgetId: ids[1] }], more: false, nextDueAtMs: startMs + 3_000 })
    expect((await driver.budgets.resetDue({ partition, max: 10 })).items).toEqual([])
    for (const budgetId of ids)
      await driver.budgets.update({
        namespace: store().namespace,
        budgetId,
        settings: { resetPeriodMs: null },
      })
  })

  it('find nothing to repair where all went well, and refuse partitions of other families', async () => {
    const driver = new AdmissionDriver(store())
    await driver.budget(100)
    await driver.submitBudget(10)
    const { handle } = await driver.worker.claimOne()
    await driver.spend(handle, 3)
    const partition = driver.budgetPartition()
    const { items } = await driver.budgets.reconcile({ partition, max: 100 })
    expect(items.filter(({ budgetId }) => budgetId === driver.budgetId)).toEqual([])
    expect(await codeOf(driver.budgets.reconcile({ partition: '{q:0}' as never, max: 1 }))).toBe(
      'partition_tag_unknown_family',
    )
    expect(await codeOf(driver.budgets.resetDue({ partition: '{fp:0}' as never, max: 1 }))).toBe(
      'partition_tag_unknown_family',
    )
    expect(await codeOf(driver.budgets.resetDue({ partition, max: 0 }))).toBe('invalid_params')
  })
})
