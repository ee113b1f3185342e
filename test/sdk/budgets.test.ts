import { BudgetExceeded, defineTask, type ExecutionNotSucceededError } from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const inTime = { timeoutMs: 10_000 }
const soon = { timeout: 10_000 }
const tokens = { soft: null, hard: 100 }

/** Runs until it is told to stop, whatever became of it. */
function longTask(stopped: string[]) {
  return defineTask({
    kind: 'long',
    handler: ({ signal, execution }) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => {
          stopped.push(execution.id)
          reject(new Error('it was told to stop'))
        })
      }),
  })
}

const spender = defineTask({
  kind: 'spends',
  async handler({ spend }) {
    await spend({ tokens: 60 })
    const error = await spend({ tokens: 60 }).catch((reason: unknown) => reason)
    if (!(error instanceof BudgetExceeded)) throw new Error('it was not told of the breach')
    return error.used
  },
})

const endOf = (handle: { result(options: object): Promise<unknown> }) =>
  handle.result(inTime).then(
    () => undefined,
    (error: ExecutionNotSucceededError) => error,
  )

const becomes = (handle: { status(): Promise<{ publicState: string }> }, state: string) =>
  expect.poll(async () => (await handle.status()).publicState, soon).toBe(state)

const jobs = async () => (await running.client.operations.list()).items

describe('a budget that a handler breaches', () => {
  test('with fail_running stops what runs under it, and cancels what waits', async () => {
    const { client } = running
    const budget = await client.budgets.create({
      label: 'b',
      limits: { tokens },
      onHardBreach: 'fail_running',
    })
    const budgets = [{ budgetId: budget.id, estimate: { tokens: 10 } }]
    const stopped: string[] = []
    const long = longTask(stopped)
    await running.startWorker({ tasks: [long, spender], concurrency: 5 })
    const runs = [
      await client.submit(long, undefined, { budgets }),
      await client.submit(long, undefined, { budgets }),
    ]
    const other = await client.submit(long)
    for (const each of [...runs, other]) await becomes(each, 'active')
    const waits = await client.submit(long, undefined, { budgets, delayMs: 600_000 })
    const spends = await client.submit(spender, undefined, { budgets })

    for (const each of runs) {
      expect(await endOf(each)).toMatchObject({
        outcome: 'failed',
        failure: { category: 'budget_exceeded' },
      })
    }
    expect(await endOf(waits)).toMatchObject({ outcome: 'cancelled', cancelCause: 'budget' })
    await expect.poll(() => [...stopped].sort(), soon).toEqual(runs.map(({ id }) => id).sort())
    // It may have been quicker than the rule.
    await spends.result(inTime).catch(() => {})
    await expect
      .poll(jobs, soon)
      .toMatchObject([
        { work: { kind: 'budget_breach', budgetId: budget.id, rule: 'fail_running' }, state: 'completed' },
      ])
    expect(await client.budgets.get(budget.id)).toMatchObject({ used: { tokens: 120 }, reserved: {} })
    expect((await other.status()).publicState).toBe('active')

    const later = await client.submit(spender, undefined, { budgets })
    await expect.poll(async () => (await client.budgets.get(budget.id)).waiting, soon).toBe(1)
    await client.budgets.update(budget.id, { onHardBreach: 'block_new' })
    await client.budgets.reset(budget.id)
    expect(await later.result(inTime)).toEqual({ tokens: 120 })
    expect(await jobs()).toHaveLength(1)
  })

  test('with cancel_pending lets what runs go on', async () => {
    const { client } = running
    const budget = await client.budgets.create({
      label: 'b',
      limits: { tokens },
      onHardBreach: 'cancel_pending',
    })
    const budgets = [{ budgetId: budget.id }]
    const stopped: string[] = []
    const long = longTask(stopped)
    await running.startWorker({ tasks: [long, spender] })
    const runs = await client.submit(long, undefined, { budgets })
    await becomes(runs, 'active')
    const waits = await client.submit(long, undefined, { budgets, delayMs: 600_000 })
    const spends = await client.submit(spender, undefined, { budgets })
    expect(await spends.result(inTime)).toEqual({ tokens: 120 })
    expect(await endOf(waits)).toMatchObject({ outcome: 'cancelled', cancelCause: 'budget' })
    await expect.poll(jobs, soon).toMatchObject([{ state: 'completed' }])
    expect((await runs.status()).publicState).toBe('active')
    expect(stopped).toEqual([])
  })
})
