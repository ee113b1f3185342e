import { mintUuid } from '@flowfabric/core'
import { BudgetExceeded, defineFlow, defineTask, type } from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/until.js'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const within = { timeoutMs: 10_000 }
const tokens = (hard: number, soft: number | null = null) => ({ tokens: { soft, hard } })

/** A handler that goes on when it is told to. */
function createGate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

describe('client.budgets', () => {
  test('are made once by their id, listed, changed and reset', async () => {
    const { budgets } = running.client
    const id = mintUuid()
    const made = await budgets.create({ id, label: 'words', limits: tokens(100, 80) })
    expect(made).toMatchObject({ id, onHardBreach: 'block_new', resetPeriodMs: null, breach: 'ok' })
    expect(await budgets.create({ id, label: 'words', limits: tokens(100, 80) })).toEqual(made)
    await expect(budgets.create({ id, label: 'other', limits: tokens(1) })).rejects.toMatchObject({
      code: 'budget_conflict',
    })
    const periodic = { label: 'daily', limits: tokens(1), resetPeriodMs: 86_400_000 }
    const daily = await budgets.create({ ...periodic, firstResetAtMs: 4e12 })
    expect(daily.nextResetAtMs).toBe(4e12)
    const first = await budgets.list({ limit: 1 })
    const second = await budgets.list({ limit: 1, cursor: first.nextCursor ?? undefined })
    expect([...first.items, ...second.items].map((each) => each.id).sort()).toEqual([id, daily.id].sort())

    expect(await budgets.update(id, { limits: tokens(200) })).toMatchObject({
      label: 'words',
      limits: tokens(200),
    })
    expect(await budgets.reset(id, { key: 'k', reason: 'paid' })).toMatchObject({ period: 2 })
    expect(await budgets.reset(id, { key: 'k' })).toMatchObject({ period: 2 })
    expect(await budgets.get(id)).toMatchObject({ id, period: 2 })
    for (const call of [
      () => budgets.get(mintUuid()),
      () => budgets.update(mintUuid(), { label: 'x' }),
      () => budgets.reset(mintUuid()),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'budget_not_found' })
    await expect(budgets.get('7')).rejects.toMatchObject({ code: 'invalid_budget_id' })
  })
})

describe('client.quotas', () => {
  test('are made once by their id, listed, changed, and shown by key', async () => {
    const { quotas } = running.client
    const id = mintUuid()
    const made = await quotas.create({ id, label: 'mail', concurrency: 2 })
    expect(made).toMatchObject({ id, rate: null, strategy: 'queue', held: 0, waiting: 0 })
    expect(await quotas.create({ id, label: 'mail', concurrency: 2 })).toEqual(made)
    await expect(quotas.create({ id, label: 'mail', concurrency: 3 })).rejects.toMatchObject({
      code: 'quota_conflict',
    })
    const rate = { units: 10, windowMs: 1_000 }
    expect(await quotas.update(id, { rate, strategy: 'drop_new' })).toMatchObject({
      rate,
      concurrency: 2,
      strategy: 'drop_new',
    })
    expect((await quotas.list()).items).toMatchObject([{ id, rate }])
    expect(await quotas.get(id, 'ann')).toMatchObject({ id, key: 'ann', unitsInWindow: 0 })
    await expect(quotas.get(mintUuid())).rejects.toMatchObject({ code: 'quota_not_found' })
    await expect(quotas.update(mintUuid(), {})).rejects.toMatchObject({ code: 'quota_not_found' })
  })

  test('hold back what is one too many, for each key', async () => {
    const quota = await running.client.quotas.create({ label: 'one at a time', concurrency: 1 })
    const gate = createGate()
    const task = defineTask({ kind: 'slotted', input: type<string>(), handler: () => gate.opened })
    await running.startWorker({ tasks: [task] })
    const submit = (key: string) => running.client.submit(task, key, { quotas: [{ quotaId: quota.id, key }] })
    const handles = [await submit('a'), await submit('a'), await submit('b')]
    const statesOf = async () =>
      (await Promise.all(handles.map((handle) => handle.status()))).map(({ publicState }) => publicState)
    await until('two run and one waits', async () => {
      const states = await statesOf()
      return String(states.sort()) === 'active,active,rate_limited'
    })
    expect(await running.client.quotas.get(quota.id, 'a')).toMatchObject({ held: 1, waiting: 1 })
    gate.open()
    for (const handle of handles) await handle.result(within)
  })

  test('that are not there hold nobody up: who names one is refused', async () => {
    const task = defineTask({ kind: 'unheard-of', handler: () => 1 })
    await expect(
      running.client.submit(task, undefined, { quotas: [{ quotaId: mintUuid() as never }] }),
    ).rejects.toMatchObject({ code: 'quota_not_found' })
    await expect(
      running.client.submit(task, undefined, { budgets: [{ budgetId: mintUuid() as never }] }),
    ).rejects.toMatchObject({ code: 'budget_not_found' })
  })
})

describe('ctx.spend', () => {
  test('charges what the execution names, comes off what was reserved, and leaves nothing behind', async () => {
    const budget = await running.client.budgets.create({ label: 'words', limits: tokens(100) })
    const gate = createGate()
    const spent = createGate()
    const task = defineTask({
      kind: 'spends',
      async handler({ spend }) {
        await spend({ tokens: 10 })
        await spend({ tokens: 5 })
        spent.open()
        await gate.opened
      },
    })
    await running.startWorker({ tasks: [task] })
    const budgets = [{ budgetId: budget.id, estimate: { tokens: 40 } }]
    const handle = await running.client.submit(task, undefined, { budgets })
    await spent.opened
    expect(await running.client.budgets.get(budget.id)).toMatchObject({
      used: { tokens: 15 },
      reserved: { tokens: 25 },
    })
    gate.open()
    await handle.result(within)
    await until('the rest was given back', async () => {
      const { reserved } = await running.client.budgets.get(budget.id)
      return (reserved.tokens ?? 0) === 0
    })
    expect(await running.client.budgets.get(budget.id)).toMatchObject({ used: { tokens: 15 }, breach: 'ok' })
  })

  test('charges again in each attempt, but once for each key', async () => {
    const budget = await running.client.budgets.create({ label: 'words', limits: tokens(100) })
    const task = defineTask({
      kind: 'spends-again',
      retry: { maxAttempts: 3, backoff: { initialMs: 0, maxMs: 0 } },
      async handler({ spend, attempt }) {
        await spend({ tokens: 1 })
        await spend({ tokens: 10 }, { key: 'once' })
        if (attempt.index < 2) throw new Error('after it was spent')
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task, undefined, { budgets: [{ budgetId: budget.id }] })
    await handle.result(within)
    expect((await running.client.budgets.get(budget.id)).used).toEqual({ tokens: 13 })
  })

  test('throws when a hard limit is passed, and what was spent is charged', async () => {
    const budget = await running.client.budgets.create({ label: 'words', limits: tokens(10) })
    const caught: unknown[] = []
    const task = defineTask({
      kind: 'overspends',
      retry: false,
      async handler({ spend }) {
        await spend({ tokens: 10 })
        await spend({ tokens: 1 }).catch((error: unknown) => caught.push(error))
        await spend({ tokens: 1 })
      },
    })
    await running.startWorker({ tasks: [task] })
    const named = { budgets: [{ budgetId: budget.id, estimate: { tokens: 5 } }] }
    const handle = await running.client.submit(task, undefined, named)
    const end = await handle.end(within)
    expect(caught[0]).toBeInstanceOf(BudgetExceeded)
    expect(caught[0]).toMatchObject({ budgetId: budget.id, used: { tokens: 11 } })
    expect(end).toMatchObject({ outcome: 'failed', failure: { category: 'budget_exceeded' } })
    expect(await running.client.budgets.get(budget.id)).toMatchObject({
      used: { tokens: 12 },
      breach: 'hard_breach',
    })
    // Nothing more starts, until there is room.
    const next = await running.client.submit(task, undefined, named)
    await until('it waits', async () => (await next.status()).publicState === 'rate_limited')
    expect(await next.explain()).toMatchObject({ dominant: { reason: 'budget' } })
    await running.client.budgets.update(budget.id, { limits: tokens(1_000) })
    expect(await next.end(within)).toMatchObject({ outcome: 'success' })
  })

  test('charges one that is stated, which the execution need not name', async () => {
    const { budgets } = running.client
    const stated = await budgets.create({ label: 'stated', limits: tokens(100) })
    const named = await budgets.create({ label: 'named', limits: tokens(100) })
    const task = defineTask({
      kind: 'spends-elsewhere',
      handler: ({ spend }) => spend({ tokens: 3 }, { budget: stated.id }),
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task, undefined, { budgets: [{ budgetId: named.id }] })
    await handle.result(within)
    expect((await budgets.get(stated.id)).used).toEqual({ tokens: 3 })
    expect((await budgets.get(named.id)).used.tokens ?? 0).toBe(0)
  })

  test('charges those of several that have the dimension, and refuses what none has', async () => {
    const { budgets } = running.client
    const words = await budgets.create({ label: 'words', limits: tokens(100) })
    const calls = await budgets.create({ label: 'calls', limits: { calls: { soft: null, hard: 9 } } })
    const refused: unknown[] = []
    const task = defineTask({
      kind: 'spends-both',
      async handler({ spend }) {
        await spend({ calls: 1 })
        await spend({ tokens: 7 })
        await spend({ euros: 1 }).catch((error: unknown) => refused.push(error))
        await spend({ tokens: -1 }).catch((error: unknown) => refused.push(error))
        await spend({ tokens: 1 }, { budget: mintUuid() }).catch((error: unknown) => refused.push(error))
      },
    })
    const unnamed = defineTask({ kind: 'names-none', retry: false, handler: ({ spend }) => spend({ a: 1 }) })
    await running.startWorker({ tasks: [task, unnamed] })
    const both = [words, calls].map(({ id }) => ({ budgetId: id }))
    const handle = await running.client.submit(task, undefined, { budgets: both })
    await handle.result(within)
    expect((await budgets.get(words.id)).used).toEqual({ tokens: 7 })
    expect((await budgets.get(calls.id)).used).toEqual({ calls: 1 })
    expect(refused).toMatchObject([
      { code: 'unknown_dimension' },
      { code: 'invalid_params' },
      { code: 'budget_not_found' },
    ])
    const lost = await running.client.submit(unnamed)
    expect(await lost.end(within)).toMatchObject({ failure: { message: /names no budget/ } })
  })

  test('gives back what a cancelled one had reserved; what it spent stays spent', async () => {
    const budget = await running.client.budgets.create({ label: 'words', limits: tokens(100) })
    const spent = createGate()
    const task = defineTask({
      kind: 'is-cancelled',
      async handler({ spend, signal }) {
        await spend({ tokens: 30 })
        spent.open()
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    })
    const flow = defineFlow('spending', (f) => ({
      end: f.node(task, undefined, { budgets: [{ budgetId: budget.id, estimate: { tokens: 90 } }] }),
    }))
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(flow)
    await spent.opened
    expect((await running.client.budgets.get(budget.id)).reserved).toEqual({ tokens: 60 })
    await handle.cancel()
    await until('the rest was given back', async () => {
      const { reserved } = await running.client.budgets.get(budget.id)
      return (reserved.tokens ?? 0) === 0
    })
    expect((await running.client.budgets.get(budget.id)).used).toEqual({ tokens: 30 })
  })
})

describe('ctx.acquire', () => {
  test('waits for a slot, which another handler gives back', async () => {
    const quota = await running.client.quotas.create({ label: 'a licence', concurrency: 1 })
    let inside = 0
    let most = 0
    const task = defineTask({
      kind: 'needs-a-licence',
      async handler({ acquire, sleep }) {
        const slot = await acquire(quota.id)
        most = Math.max(most, ++inside)
        await sleep(20)
        inside -= 1
        await slot.release()
      },
    })
    await running.startWorker({ tasks: [task] })
    const handles = await Promise.all([1, 2, 3].map(() => running.client.submit(task)))
    for (const handle of handles) await handle.result(within)
    expect(most).toBe(1)
    expect((await running.client.quotas.get(quota.id)).held).toBe(0)
  })

  test('holds it as long as the attempt lasts, whatever ends that', async () => {
    const quota = await running.client.quotas.create({ label: 'a licence', concurrency: 1 })
    const held = createGate()
    const task = defineTask({
      kind: 'keeps-it',
      retry: false,
      input: type<'fails' | 'waits'>(),
      async handler({ acquire, input, signal }) {
        await acquire(quota.id)
        if (input === 'fails') throw new Error('with the slot')
        held.open()
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    })
    await running.startWorker({ tasks: [task] })
    expect(await (await running.client.submit(task, 'fails')).end(within)).toMatchObject({
      outcome: 'failed',
    })
    const handle = await running.client.submit(task, 'waits')
    await held.opened
    expect((await running.client.quotas.get(quota.id)).held).toBe(1)
    await handle.cancel()
    await until('the slot is free', async () => (await running.client.quotas.get(quota.id)).held === 0)
  })

  test('of a quota that is not there is an error', async () => {
    const task = defineTask({
      kind: 'asks-for-nothing',
      retry: false,
      handler: ({ acquire }) => acquire(mintUuid()).then(() => undefined),
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.end(within)).toMatchObject({ failure: { category: 'quota_not_found' } })
  })
})
