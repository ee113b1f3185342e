import { limits, mintBudgetId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { codeOf, itemCodeOf, submitOne } from '../../support/builders.js'
import { allEvents } from '../../support/listing.js'
import { useStore } from '../../support/use-store.js'

describe('budgets.reportUsage', () => {
  const store = useStore()

  async function start(hard: number | null = 100, soft: number | null = null) {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(hard, { limits: { tokens: { soft, hard } } })
    const id = await driver.submitBudget()
    const { handle } = await driver.worker.claimOne()
    return { driver, budgetId, id, handle }
  }

  async function changesOf(budgetId: string): Promise<readonly string[]> {
    const { backend, namespace, partitions } = store()
    for (const partition of partitions) await backend.maintenance.upkeep({ partition, max: 500 })
    const events = await allEvents(backend, namespace)
    return events.flatMap((event) =>
      event.type === 'budget' && event.budgetId === budgetId ? [event.change] : [],
    )
  }

  it('charges once for each key of an execution', async () => {
    const { driver, handle } = await start()
    expect(await driver.spend(handle, 5, 'a')).toEqual({ outcome: 'ok', used: { tokens: 5 } })
    expect(await driver.spend(handle, 5, 'a')).toEqual({ outcome: 'duplicate' })
    expect(await driver.spend(handle, 900, 'a')).toEqual({ outcome: 'duplicate' })
    expect(await driver.spend(handle, 0, 'b')).toEqual({ outcome: 'ok', used: { tokens: 5 } })
    await driver.submitBudget()
    const other = await driver.worker.claimOne()
    expect(await driver.spend(other.handle, 1, 'a')).toEqual({ outcome: 'ok', used: { tokens: 6 } })
    expect((await driver.readBudget()).used).toEqual({ tokens: 6 })
  })

  it('charges the same key again after a day', async () => {
    const { driver, handle } = await start()
    await driver.spend(handle, 5, 'a')
    await store().pass(limits.idempotencyTtlMs - 1)
    expect(await driver.spend(handle, 5, 'a')).toEqual({ outcome: 'duplicate' })
    await store().pass(1)
    expect(await driver.spend(handle, 5, 'a')).toEqual({ outcome: 'ok', used: { tokens: 10 } })
  })

  it('charges a budget that the execution does not name', async () => {
    const { driver, handle } = await start()
    const budgetId = await driver.budget(10)
    expect(await driver.spend(handle, 3, 'a', budgetId)).toEqual({ outcome: 'ok', used: { tokens: 3 } })
  })

  it('tells how the budget stands, and the feed when a limit is passed', async () => {
    const { driver, budgetId, handle } = await start(100, 50)
    expect(await driver.spend(handle, 50, '1')).toMatchObject({ outcome: 'ok' })
    expect(await driver.spend(handle, 1, '2')).toMatchObject({ outcome: 'soft_breach' })
    expect(await driver.spend(handle, 49, '3')).toMatchObject({ outcome: 'soft_breach' })
    expect(await driver.spend(handle, 7, '4')).toEqual({ outcome: 'hard_breach', used: { tokens: 107 } })
    expect(await driver.spend(handle, 1, '5')).toEqual({ outcome: 'hard_breach', used: { tokens: 108 } })
    expect(await driver.readBudget()).toMatchObject({ breach: 'hard_breach', used: { tokens: 108 } })
    expect(await changesOf(budgetId)).toEqual(['soft_breach', 'hard_breach'])
  })

  it('tells the feed when a limit is lowered below what was spent', async () => {
    const { driver, budgetId, handle } = await start(100)
    await driver.spend(handle, 50)
    const limits = { tokens: { soft: null, hard: 40 } }
    const { budget } = await driver.budgets.update({
      namespace: store().namespace,
      budgetId,
      settings: { limits },
    })
    expect(budget).toMatchObject({ breach: 'hard_breach', used: { tokens: 50 } })
    expect(await changesOf(budgetId)).toEqual(['hard_breach'])
  })

  it('blocks what is new after a hard breach, and lets what runs go on', async () => {
    const { driver, handle } = await start(10)
    await driver.spend(handle, 11)
    const next = await driver.submitBudget()
    expect(await driver.claimIds()).toEqual([])
    expect((await driver.worker.complete(handle)).outcome).toBe('completed')
    const { namespace } = store()
    await driver.budgets.reset({ namespace, budgetId: driver.budgetId, resetKey: 'r' })
    await store().settle()
    expect(await driver.claimIds()).toEqual([next])
  })

  it('charges at every moment: after the end, after a lost lease, by a lease that is over', async () => {
    const { driver, handle } = await start()
    await driver.worker.complete(handle)
    expect(await driver.spend(handle, 1, 'ended')).toMatchObject({ outcome: 'ok' })
    await driver.submitBudget()
    const lost = await driver.worker.claimOne({ leaseTtlMs: 1_000 })
    await store().pass(1_000)
    expect(await driver.spend(lost.handle, 1, 'lost')).toMatchObject({ outcome: 'ok' })
    const second = await driver.worker.claimOne()
    expect(await driver.spend(lost.handle, 1, 'stale')).toMatchObject({ outcome: 'ok' })
    await driver.worker.delay(second.handle, (await store().nowMs()) + 1_000)
    await store().pass(1_000)
    await driver.worker.claimOne()
    expect(await driver.spend(second.handle, 1, 'earlier')).toEqual({ outcome: 'ok', used: { tokens: 4 } })
  })

  it('charges nobody for an attempt that is not there, or of another namespace', async () => {
    const { driver, budgetId, id, handle } = await start()
    const foreign = await driver.budgets.reportUsage({
      namespaces: [parseNamespace('foreign')],
      items: [{ handle, budgetId, usageKey: 'a', amounts: { tokens: 1 } }],
    })
    expect(foreign.items).toEqual([{ outcome: 'stale_lease' }])
    expect(await driver.worker.yield(handle)).toEqual({ outcome: 'yielded' })
    expect(await driver.spend(handle, 1)).toEqual({ outcome: 'stale_lease' })
    expect((await driver.readBudget()).used).toEqual({})
    await store().backend.executions.cancel({ namespace: store().namespace, id })
  })

  it('judges each item for itself, and changes nothing by what it refuses', async () => {
    const { driver, budgetId, handle } = await start(null)
    const { namespace } = store()
    const other = new AdmissionDriver(store())
    await other.budgets.create({
      namespace: parseNamespace(`${namespace}-other`),
      budgetId: mintBudgetId(),
      label: '',
      limits: { tokens: { soft: null, hard: null } },
      onHardBreach: 'block_new',
      resetPeriodMs: null,
    })
    const good = { handle, budgetId, usageKey: 'k', amounts: { tokens: 1 } }
    const { items } = await driver.budgets.reportUsage({
      namespaces: [namespace],
      items: [
        { ...good, budgetId: mintBudgetId() },
        { ...good, budgetId: 'x' as never },
        { ...good, handle: 'h' },
        { ...good, usageKey: '' },
        { ...good, usageKey: 'x'.repeat(513) },
        { ...good, amounts: { tokens: -1 } },
        { ...good, amounts: { tokens: 0.5 } },
        { ...good, amounts: { tokens: limits.amountMax + 1 } },
        { ...good, amounts: { other: 1 } },
        { ...good, amounts: { constructor: 1 } },
        { ...good, amounts: { __proto__x: 1 } },
        good,
      ],
    })
    expect(items.map((item) => (item.outcome === 'error' ? itemCodeOf(item) : item.outcome))).toEqual([
      'budget_not_found',
      'invalid_budget_id',
      'invalid_handle',
      'invalid_params',
      'limit_exceeded',
      'invalid_params',
      'invalid_params',
      'limit_exceeded',
      'unknown_dimension',
      'unknown_dimension',
      'invalid_params',
      'ok',
    ])
    expect((await driver.readBudget()).used).toEqual({ tokens: 1 })
    expect(await codeOf(driver.budgets.reportUsage({ namespaces: [], items: [] }))).toBe('invalid_params')
    const many = Array.from({ length: limits.usageBatchMax + 1 }, () => good)
    expect(await codeOf(driver.budgets.reportUsage({ namespaces: [namespace], items: many }))).toBe(
      'batch_too_large',
    )
  })

  it('refuses what could not be counted any more', async () => {
    const { driver, budgetId, handle } = await start(null)
    const { namespace } = store()
    let at = 0
    const charge = (n: number) =>
      driver.budgets.reportUsage({
        namespaces: [namespace],
        items: Array.from({ length: n }, () => {
          at += 1
          return { handle, budgetId, usageKey: `k${at}`, amounts: { tokens: limits.amountMax } }
        }),
      })
    await charge(9)
    expect((await driver.readBudget()).used).toEqual({ tokens: limits.amountSumMax })
    const { items } = await charge(1)
    expect(itemCodeOf(items[0])).toBe('limit_exceeded')
    expect((await driver.readBudget()).used).toEqual({ tokens: limits.amountSumMax })
  })

  it('charges a budget of the execution’s own namespace in a call for several', async () => {
    const { driver, budgetId } = await start()
    const { namespace, backend } = store()
    const second = parseNamespace(`${namespace}-second`)
    const solo = store().aSolo()
    await backend.executions.submit({ namespace: second, items: [solo] })
    const { handle } = await driver.worker.claimOne({ namespaces: [second] })
    const { items } = await driver.budgets.reportUsage({
      namespaces: [namespace, second],
      items: [{ handle, budgetId, usageKey: 'a', amounts: { tokens: 1 } }],
    })
    expect(itemCodeOf(items[0])).toBe('budget_not_found')
    await submitOne(store())
  })
})
