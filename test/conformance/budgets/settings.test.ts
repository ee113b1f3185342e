import { type BudgetSettings, limits, mintBudgetId, mintQuotaId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const foreign = parseNamespace('foreign')

describe('a budget', () => {
  const store = useStore()
  const settings: BudgetSettings = {
    label: 'month',
    limits: { usd_micros: { soft: 80, hard: 100 }, tokens: { soft: null, hard: null } },
    onHardBreach: 'cancel_pending',
    resetPeriodMs: 60_000,
  }
  const named = () => ({ namespace: store().namespace, budgetId: mintBudgetId(), ...settings })

  it('is created once, and shows its settings and counts', async () => {
    const { budgets } = new AdmissionDriver(store())
    const params = named()
    const createdAtMs = await store().nowMs()
    const expected = {
      id: params.budgetId,
      ...settings,
      createdAtMs,
      used: {},
      reserved: {},
      breach: 'ok',
      period: 1,
      periodStartedAtMs: createdAtMs,
      nextResetAtMs: createdAtMs + 60_000,
      waiting: 0,
    }
    expect(await budgets.create(params)).toEqual({ outcome: 'created', budget: expected })
    expect(await budgets.create(params)).toEqual({ outcome: 'duplicate', budget: expected })
    expect(await budgets.create({ ...params, label: 'x' })).toEqual({ outcome: 'budget_conflict' })
    expect(await budgets.create({ ...params, namespace: foreign })).toEqual({ outcome: 'budget_conflict' })
    expect((await budgets.get(params)).budget).toEqual(expected)
  })

  it('is a duplicate of what it was created as, whatever was changed since', async () => {
    const { budgets } = new AdmissionDriver(store())
    const params = named()
    await budgets.create(params)
    const { namespace, budgetId } = params
    const change: Partial<BudgetSettings> = {
      label: 'year',
      limits: { tokens: { soft: 1, hard: 2 } },
      onHardBreach: 'fail_running',
      resetPeriodMs: null,
    }
    const { budget } = await budgets.update({ namespace, budgetId, settings: change })
    expect(budget).toMatchObject({ ...change, nextResetAtMs: null })
    expect(Object.keys(budget.limits)).toEqual(['tokens'])
    expect(await budgets.create(params)).toEqual({ outcome: 'duplicate', budget })
    expect((await budgets.update({ namespace, budgetId, settings: {} })).budget).toEqual(budget)
  })

  it('is listed in its namespace alone, newest first', async () => {
    const { budgets } = new AdmissionDriver(store())
    const ids = []
    for (let n = 0; n < 3; n += 1) {
      const params = named()
      await budgets.create(params)
      ids.unshift(params.budgetId)
      await store().advance(1)
    }
    const { namespace } = store()
    const first = await budgets.list({ namespace, limit: 2 })
    const rest = await budgets.list({ namespace, limit: 2, cursor: first.nextCursor ?? undefined })
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids)
    expect(rest.nextCursor).toBeNull()
    expect((await budgets.list({ namespace: parseNamespace(`${namespace}-other`) })).items).toEqual([])
    expect(await codeOf(budgets.list({ namespace, cursor: 'x' }))).toBe('invalid_cursor')
  })

  const tooMany = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`d${n}`, { soft: null, hard: 1 }]))
  it.each<[string, object]>([
    ['invalid_budget_id', { budgetId: 'x' }],
    ['invalid_namespace', { namespace: 'a b' }],
    ['invalid_params', { label: 7 }],
    ['nul_in_text', { label: 'a\0' }],
    ['invalid_params', { limits: {} }],
    ['invalid_params', { limits: undefined }],
    ['invalid_params', { limits: { '1st': { soft: null, hard: 1 } } }],
    ['invalid_params', { limits: { tokens: 5 } }],
    ['invalid_params', { limits: { tokens: { soft: null, hard: -1 } } }],
    ['invalid_params', { limits: { tokens: { soft: 2, hard: 1 } } }],
    ['limit_exceeded', { limits: { tokens: { soft: null, hard: 2e15 } } }],
    ['too_many_dimensions', { limits: tooMany }],
    ['invalid_params', { onHardBreach: 'explode' }],
    ['invalid_params', { resetPeriodMs: 999 }],
    ['invalid_params', { resetPeriodMs: null, firstResetAtMs: 5 }],
    ['invalid_params', { firstResetAtMs: -1 }],
  ])('is refused with %s: %o', async (code, fault) => {
    const { budgets } = new AdmissionDriver(store())
    const params = { ...named(), ...fault } as never
    expect(await codeOf(budgets.create(params))).toBe(code)
    expect((await budgets.list({ namespace: store().namespace })).items).toEqual([])
  })

  it('is not found in another namespace, and when it was never made', async () => {
    const { budgets } = new AdmissionDriver(store())
    const params = named()
    await budgets.create(params)
    const { budgetId } = params
    for (const name of [
      { namespace: foreign, budgetId },
      { namespace: store().namespace, budgetId: mintBudgetId() },
    ]) {
      expect(await codeOf(budgets.get(name))).toBe('budget_not_found')
      expect(await codeOf(budgets.update({ ...name, settings: {} }))).toBe('budget_not_found')
      expect(await codeOf(budgets.reset({ ...name, resetKey: 'r' }))).toBe('budget_not_found')
    }
  })

  it('is shown by who names it, and by its claim', async () => {
    const driver = new AdmissionDriver(store())
    const [a, b] = [await driver.budget(null), await driver.budget(null)].sort()
    const id = await submitOne(store(), {
      budgets: [{ budgetId: b as never }, { budgetId: a as never, estimate: { tokens: 5 } }],
    })
    const budgets = [
      { budgetId: a, estimate: { tokens: 5 } },
      { budgetId: b, estimate: {} },
    ]
    expect(await readOne(store(), id)).toMatchObject({ budgets, quotas: [] })
    expect((await driver.worker.claimOne()).budgets).toEqual(budgets)
  })

  it.each<[string, readonly unknown[]]>([
    ['budget_not_found', [{ budgetId: mintBudgetId() }]],
    ['invalid_budget_id', [{ budgetId: 'x' }]],
    ['too_many_budgets', Array.from({ length: 9 }, () => ({ budgetId: mintBudgetId() }))],
    ['invalid_params', [{ budgetId: mintBudgetId(), estimate: { tokens: -1 } }]],
    ['invalid_params', [{ budgetId: mintBudgetId(), estimate: { tokens: 0.5 } }]],
    ['limit_exceeded', [{ budgetId: mintBudgetId(), estimate: { tokens: limits.estimateMax + 1 } }]],
    ['invalid_params', [{ budgetId: mintBudgetId(), estimate: { 'a b': 1 } }]],
    ['invalid_params', 'x' as never],
  ])('named wrongly is %s, and nothing is stored', async (code, budgets) => {
    const { backend, namespace } = store()
    const solo = store().aSolo({ budgets: budgets as never })
    const { items } = await backend.executions.submit({ namespace, items: [solo] })
    expect(itemCodeOf(items[0])).toBe(code)
    expect(await codeOf(readOne(store(), solo.id))).toBe('execution_not_found')
  })

  it('of the members of a flow, the first that names what is not there is told of', async () => {
    const noBudget = { budgets: [{ budgetId: mintBudgetId() }] }
    const noQuota = { quotas: [{ quotaId: mintQuotaId() }] }
    expect(await codeOf(FlowDriver.submit(store(), { a: noBudget, b: noQuota }))).toBe('budget_not_found')
    expect(await codeOf(FlowDriver.submit(store(), { a: noQuota, b: noBudget }))).toBe('quota_not_found')
  })

  it('named twice, with a dimension that it lacks, or by another namespace, is refused', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(10)
    const { backend, namespace } = store()
    const refusal = async (of: typeof namespace, budgets: unknown) => {
      const { items } = await backend.executions.submit({
        namespace: of,
        items: [store().aSolo({ budgets: budgets as never })],
      })
      return itemCodeOf(items[0])
    }
    expect(await refusal(namespace, [{ budgetId }, { budgetId }])).toBe('duplicate_id')
    expect(await refusal(namespace, [{ budgetId, estimate: { money: 1 } }])).toBe('unknown_dimension')
    expect(await refusal(parseNamespace(`${namespace}-other`), [{ budgetId }])).toBe('budget_not_found')
  })
})
