import { CallFailedError, defineFlow, defineTask, type } from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const inTime = { timeoutMs: 20_000 }
const atOnce = { maxAttempts: 5, backoff: { initialMs: 0, maxMs: 0 } }

const square = defineTask({
  kind: 'square',
  input: type<number>(),
  retry: false,
  handler({ input }) {
    if (input < 0) throw Object.assign(new Error('too small'), { category: 'negative' })
    return input * input
  },
})
const squares = defineFlow('squares', (f, input: number) => ({ last: f.node(square, input) }))

describe('ctx.call', () => {
  test('runs a task once and answers its result, on later attempts too', async () => {
    let began = 0
    const counted = defineTask({
      kind: 'counted',
      input: type<number>(),
      handler: ({ input }) => input + ++began,
    })
    const parent = defineTask({
      kind: 'parent',
      retry: atOnce,
      async handler({ call, attempt }) {
        const one = await call('one', counted, 10)
        expectTypeOf(one).toEqualTypeOf<number>()
        if (attempt.index < 2) throw new Error('after the call')
        return [one, await call('two', counted, 20)]
      },
    })
    await running.startWorker({ tasks: [parent, counted], concurrency: 1 })
    const handle = await running.client.submit(parent)
    expect(await handle.result(inTime)).toEqual([11, 22])
    expect(began).toBe(2)
  })

  test('runs a flow, and answers its results', async () => {
    const parent = defineTask({
      kind: 'calls-flow',
      async handler({ call }) {
        const { last } = await call('squares', squares, 7)
        expectTypeOf(last).toEqualTypeOf<number | undefined>()
        return last
      },
    })
    await running.startWorker({ tasks: [parent, square] })
    const handle = await running.client.submit(parent)
    expect(await handle.result(inTime)).toBe(49)
  })

  test('runs several side by side', async () => {
    const parent = defineTask({
      kind: 'calls-many',
      handler: ({ call }) => Promise.all([1, 2, 3, 4].map((n) => call(`square ${n}`, square, n))),
    })
    await running.startWorker({ tasks: [parent, square] })
    const handle = await running.client.submit(parent)
    expect(await handle.result(inTime)).toEqual([1, 4, 9, 16])
  })

  test('throws what is known of the failure, and ends an execution that does not catch it', async () => {
    const parent = defineTask({
      kind: 'catches',
      input: type<boolean>(),
      async handler({ call, input }) {
        const error: unknown = await call('negative', square, -1).catch((thrown: unknown) => thrown)
        if (!input || !(error instanceof CallFailedError)) throw error
        return { outcome: error.outcome, failure: error.failure, category: error.category }
      },
    })
    const flowParent = defineTask({
      kind: 'catches-flow',
      async handler({ call }) {
        const error: unknown = await call('negative', squares, -1).catch((thrown: unknown) => thrown)
        return error instanceof CallFailedError && [error.outcome, error.failures.map(({ name }) => name)]
      },
    })
    await running.startWorker({ tasks: [parent, flowParent, square] })
    const [caught, uncaught, flow] = await Promise.all([
      running.client.submit(parent, true),
      running.client.submit(parent, false),
      running.client.submit(flowParent),
    ])
    expect(await caught.result(inTime)).toEqual({
      outcome: 'failed',
      failure: expect.objectContaining({ category: 'negative', message: 'too small' }),
      category: 'negative',
    })
    expect(await uncaught.end(inTime)).toMatchObject({ outcome: 'failed', failure: { category: 'negative' } })
    expect(await uncaught.attempts()).toHaveLength(1)
    expect(await flow.result(inTime)).toEqual(['failed', ['square']])
  })

  test('cancels the child with its parent, unless it is detached', async () => {
    const slow = defineTask({
      kind: 'slow',
      input: type<string>(),
      handler: ({ suspend }) => suspend('never'),
    })
    const parent = defineTask({
      kind: 'cancelled-parent',
      input: type<boolean>(),
      handler: ({ call, input: detached }) => call('slow', slow, 'x', { detached }),
    })
    await running.startWorker({ tasks: [parent, slow] })
    const childOf = async (detached: boolean) => {
      const handle = await running.client.submit(parent, detached)
      const { client } = running
      await expect
        .poll(async () => (await client.list({ filter: { kind: slow.kind, states: ['suspended'] } })).items, {
          timeout: 10_000,
        })
        .toHaveLength(1)
      const [child] = (await client.list({ filter: { kind: slow.kind, states: ['suspended'] } })).items
      await expect
        .poll(async () => (await handle.status()).publicState, { timeout: 10_000 })
        .toBe('suspended')
      await handle.cancel()
      return client.handle(child?.id ?? '')
    }
    const cancelled = await childOf(false)
    expect(await cancelled.end(inTime)).toMatchObject({ outcome: 'cancelled', cancelCause: 'parent' })
    const detached = await childOf(true)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await detached.status()).publicState).toBe('suspended')
  })
})
