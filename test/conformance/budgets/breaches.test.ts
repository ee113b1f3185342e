import { type ExecutionId, type HardBreachRule, must, parseKind } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { steadyRetry, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { OperationDriver, readAll, statesOf } from '../../support/operation-driver.js'
import { SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'

describe('a hard breach', () => {
  const store = useStore()

  /** A budget of ten tokens, and an execution that runs under it. */
  async function start(onHardBreach: HardBreachRule) {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(10, { onHardBreach })
    const running = await driver.submitBudget(2, { retry: steadyRetry() })
    const { handle } = await driver.worker.claimOne()
    return { driver, budgetId, running, handle }
  }

  const jobs = () => OperationDriver.all(store())

  async function onlyJob(): Promise<OperationDriver> {
    const all = await jobs()
    expect(all).toHaveLength(1)
    return must(all[0], 'a job')
  }

  /** Each waits for something else: a signal, its time, its owner, a worker, room behind a refused head. */
  async function submitWaiting(driver: AdmissionDriver): Promise<readonly ExecutionId[]> {
    const { backend, namespace } = store()
    const budgets = [{ budgetId: driver.budgetId }]
    const suspended = await new SuspensionDriver(store()).suspended({}, { budgets })
    const delayed = await driver.submitBudget(1, { delayMs: 60_000 })
    const held = await driver.submitBudget(1)
    await backend.executions.hold({ namespace, id: held })
    const unserved = await driver.submitBudget(1, { kind: parseKind('unserved') })
    const refused = await driver.submitBudget(11)
    const behind = await driver.submitBudget(1)
    expect(await driver.claimIds()).toEqual([])
    return [suspended.id, delayed, held, unserved, refused, behind]
  }

  it('is carried out before other jobs that are due', async () => {
    const { driver, handle } = await start('cancel_pending')
    const others: OperationDriver[] = []
    for (let n = 0; n < 4; n += 1) {
      others.push(
        await OperationDriver.begin(store(), { kind: 'cancel', filter: { kind: parseKind('none') } }),
      )
    }
    await driver.spend(handle, 11)
    const { partition } = must(others[0], 'a job')
    const { items } = await store().backend.operations.advance({ partition, max: 500 })
    const own = new Set(others.map(({ id }) => id))
    expect(items.map(({ operationId }) => own.has(operationId))).toEqual([false, true, true, true, true])
  })

  it.each([
    ['cancel_pending', 'active', { done: 6, unchanged: 1 }],
    ['fail_running', 'failed', { done: 7, unchanged: 0 }],
  ] as const)('with %s cancels what waits, and what runs is %s', async (rule, state, counts) => {
    const { driver, budgetId, running, handle } = await start(rule)
    const waiting = await submitWaiting(driver)
    const others = [await submitOne(store())]
    await driver.budget(10, { onHardBreach: rule })
    others.push(await driver.submitBudget(1))

    expect(await driver.spend(handle, 11, 'a', budgetId)).toMatchObject({ outcome: 'hard_breach' })
    const job = await onlyJob()
    const work = { kind: 'budget_breach', budgetId, rule }
    expect(await job.read()).toMatchObject({ work, state: 'running', done: 0 })
    await store().advance(1)
    const later = await driver.submitBudget(1, { budgets: [{ budgetId }] })
    expect(await job.run()).toMatchObject({ work, state: 'completed', ...counts, failed: 0, total: null })

    const cancelled = await readAll(store(), waiting)
    expect(cancelled.map(({ publicState }) => publicState)).toEqual(waiting.map(() => 'cancelled'))
    expect(new Set(cancelled.map(({ cancelCause }) => cancelCause))).toEqual(new Set(['budget']))
    expect(await statesOf(store(), [...others, later])).toEqual(['waiting', 'waiting', 'waiting'])
    const [ran] = await readAll(store(), [running])
    expect(ran?.publicState).toBe(state)
    expect((await driver.readBudget(budgetId)).reserved).toEqual({})
    const ended = await driver.worker.complete(handle)
    if (rule === 'cancel_pending') expect(ended.outcome).toBe('completed')
    else {
      // A policy of retries does not help it.
      expect(ran?.failure?.category).toBe('budget_exceeded')
      expect(ended.outcome).not.toBe('completed')
    }
    // What came after it waits for the budget; what names another goes on.
    expect([...(await driver.claimIds())].sort()).toEqual([...others].sort())
  })

  it('with block_new leaves no job', async () => {
    const { driver, handle, running } = await start('block_new')
    const next = await driver.submitBudget(1)
    await driver.spend(handle, 11)
    expect(await jobs()).toEqual([])
    await store().pass(10_000)
    expect(await statesOf(store(), [running, next])).toEqual(['active', 'waiting'])
  })

  it('leaves one job, however much more is charged, and none for a soft breach or a repeat', async () => {
    const driver = new AdmissionDriver(store())
    const tokens = { soft: 5, hard: 10 }
    await driver.budget(10, { limits: { tokens, calls: tokens }, onHardBreach: 'cancel_pending' })
    await driver.submitBudget(2)
    const { handle } = await driver.worker.claimOne()
    await driver.spend(handle, 6, 'soft')
    expect(await jobs()).toEqual([])
    await driver.spend(handle, 6, 'hard')
    const job = await onlyJob()
    expect(await driver.spend(handle, 6, 'hard')).toEqual({ outcome: 'duplicate' })
    await driver.spend(handle, 6, 'more')
    await driver.spend(handle, { calls: 11 }, 'another dimension')
    await store().pass(10_000)
    expect((await onlyJob()).id).toBe(job.id)
  })

  it('leaves another in each period, and whenever it comes again', async () => {
    const { driver, budgetId, handle } = await start('cancel_pending')
    const { namespace } = store()
    await driver.spend(handle, 11, 'a')
    await driver.budgets.reset({ namespace, budgetId, resetKey: 'r' })
    await driver.spend(handle, 11, 'b')
    expect(await jobs()).toHaveLength(2)
    const limitTo = (hard: number) =>
      driver.budgets.update({ namespace, budgetId, settings: { limits: { tokens: { soft: null, hard } } } })
    await limitTo(20)
    await driver.spend(handle, 10, 'c')
    expect(await jobs()).toHaveLength(3)
    await Promise.all((await jobs()).map((job) => job.run()))
  })

  it('by a limit that is lowered leaves one too, for the rule that is stated with it', async () => {
    const { driver, budgetId, running, handle } = await start('block_new')
    const { namespace } = store()
    await driver.spend(handle, 6)
    const lower = (hard: number) =>
      driver.budgets.update({
        namespace,
        budgetId,
        settings: { limits: { tokens: { soft: null, hard } }, onHardBreach: 'fail_running' },
      })
    expect((await lower(6)).budget.breach).toBe('ok')
    expect(await jobs()).toEqual([])
    expect((await lower(5)).budget.breach).toBe('hard_breach')
    await lower(4)
    expect(await (await onlyJob()).run()).toMatchObject({ state: 'completed', done: 1 })
    expect(await statesOf(store(), [running])).toEqual(['failed'])
  })

  it('is carried out although the budget was reset since, and by the rule that it had', async () => {
    const { driver, budgetId, handle } = await start('cancel_pending')
    const { namespace } = store()
    const waiting = await driver.submitBudget(1)
    await driver.spend(handle, 11)
    await driver.budgets.update({ namespace, budgetId, settings: { onHardBreach: 'block_new' } })
    await driver.budgets.reset({ namespace, budgetId, resetKey: 'r' })
    expect(await (await onlyJob()).run()).toMatchObject({ done: 1, unchanged: 1 })
    expect(await statesOf(store(), [waiting])).toEqual(['cancelled'])
  })

  it('takes members of flows as any other end of theirs does', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(10, { onHardBreach: 'fail_running' })
    const budgets = [{ budgetId, estimate: { tokens: 1 } }]
    const flow = await FlowDriver.submit(store(), {
      a: { budgets },
      b: { after: ['a'] },
      c: { delayMs: 60_000, budgets },
      d: { after: ['c'] },
    })
    await flow.start('a')
    await driver.spend(flow.lease('a').handle, 11)
    expect(await (await onlyJob()).run()).toMatchObject({ done: 2, unchanged: 0 })
    await store().settle()
    const ids = ['a', 'b', 'c', 'd'].map((name) => flow.id(name))
    expect(await statesOf(store(), ids)).toEqual(['failed', 'skipped', 'cancelled', 'skipped'])
  })

  it('is worked off in batches, whatever else there is', async () => {
    const { driver, handle } = await start('cancel_pending')
    const { backend, namespace } = store()
    const waiting: ExecutionId[] = []
    for (let n = 0; n < 12; n += 1) {
      waiting.push(await driver.submitBudget(1, { delayMs: 60_000 }))
      await submitOne(store(), { delayMs: 60_000 })
    }
    await backend.executions.cancel({ namespace, id: must(waiting[0], 'an id') })
    await driver.spend(handle, 11)
    const job = await onlyJob()
    expect(await job.advance(5)).toMatchObject({ outcome: 'advanced', done: 5 })
    expect(await job.run(5)).toMatchObject({ done: 11, unchanged: 1 })
    expect(await statesOf(store(), waiting)).toEqual(waiting.map(() => 'cancelled'))
  })
})
