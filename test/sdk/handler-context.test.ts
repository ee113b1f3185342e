import { type AbortReason, allOf, defineFlow, defineTask, listOf, type } from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/until.js'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const atOnce = { maxAttempts: 5, backoff: { initialMs: 0, maxMs: 0 } }

describe('ctx.step', () => {
  test('runs once over all attempts, and hands its recorded result back', async () => {
    const runs: string[] = []
    const task = defineTask({
      kind: 'steps',
      retry: atOnce,
      async handler({ step, attempt }) {
        const [a, b] = await Promise.all([
          step('a', () => {
            runs.push('a')
            return attempt.index
          }),
          step('b', async () => {
            runs.push('b')
            return { at: attempt.index }
          }),
        ])
        if (attempt.index === 0) throw new Error('after the steps')
        return { a, b, now: attempt.index }
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ a: 0, b: { at: 0 }, now: 1 })
    expect(runs.sort()).toEqual(['a', 'b'])
  })

  test('refuses a name that is used twice in one run', async () => {
    const task = defineTask({
      kind: 'twice',
      retry: false,
      async handler({ step }) {
        await step('same', () => 1)
        await step('same', () => 2)
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.end({ timeoutMs: 5_000 })).toMatchObject({
      outcome: 'failed',
      failure: { category: 'journal_mismatch' },
    })
  })
})

describe('ctx.sleep', () => {
  test('waits in place when it is short', async () => {
    const task = defineTask({
      kind: 'nap',
      async handler({ sleep, now }) {
        const before = now()
        await sleep(30)
        return now() - before
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.result({ timeoutMs: 5_000 })).toBeGreaterThanOrEqual(29)
  })

  test('gives the lease back when it is long, and the same attempt goes on from the top with its steps', async () => {
    let runs = 0
    const steps: number[] = []
    const task = defineTask({
      kind: 'long-nap',
      async handler({ sleep, step, attempt }) {
        runs++
        await step('before', () => steps.push(runs))
        await sleep(120)
        return { attempt: attempt.index, runs }
      },
    })
    await running.startWorker({ tasks: [task], sleepInPlaceMsMax: 50 })
    const handle = await running.client.submit(task)
    await expect.poll(async () => (await handle.status()).publicState, { timeout: 5_000 }).toBe('delayed')
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ attempt: 0, runs: 2 })
    expect(steps).toEqual([1])
  })

  test('that was swallowed still counts as the end of the run', async () => {
    let runs = 0
    const task = defineTask({
      kind: 'swallows',
      async handler({ sleepUntil, now }) {
        runs++
        await sleepUntil(now() + 120).catch(() => undefined)
        return runs
      },
    })
    await running.startWorker({ tasks: [task], sleepInPlaceMsMax: 50 })
    const handle = await running.client.submit(task)
    expect(await handle.result({ timeoutMs: 5_000 })).toBe(2)
  })
})

describe('ctx.retryAt', () => {
  test('asks for the next attempt at a time', async () => {
    let dueAtMs = 0
    const task = defineTask({
      kind: 'later',
      retry: { maxAttempts: 2 },
      handler({ attempt, retryAt, now }) {
        if (attempt.index > 0) return 'came back'
        dueAtMs = now() + 60
        return retryAt(dueAtMs, 'come back')
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.result({ timeoutMs: 5_000 })).toBe('came back')
    const { items } = await running.store.attempts.list({
      namespace: running.namespace,
      executionId: handle.id,
    })
    expect(items[0]?.failure).toMatchObject({ message: 'come back' })
    expect(items[1]?.startedAtMs).toBeGreaterThanOrEqual(dueAtMs)
  })
})

describe('ctx.progress', () => {
  test('is recorded, the last report of all', async () => {
    let finish: (() => void) | undefined
    const task = defineTask({
      kind: 'reports',
      async handler({ progress }) {
        for (let percent = 0; percent <= 50; percent++) progress(percent, `at ${percent}`)
        await new Promise<void>((resolve) => {
          finish = resolve
        })
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await expect
      .poll(async () => (await handle.status()).progress, { timeout: 5_000 })
      .toEqual({ percent: 50, message: 'at 50' })
    finish?.()
    await handle.result({ timeoutMs: 5_000 })
  })
})

describe('ctx.submit', () => {
  test('submits once however often the handler runs', async () => {
    const child = defineTask({ kind: 'child', input: type<number>(), handler: ({ input }) => input })
    const parent = defineTask({
      kind: 'parent',
      retry: atOnce,
      async handler({ submit, attempt }) {
        const id = await submit('the child', child, 5)
        if (attempt.index < 2) throw new Error('after the submit')
        return id
      },
    })
    await running.startWorker({ tasks: [parent, child] })
    const handle = await running.client.submit(parent)
    const id = await handle.result({ timeoutMs: 5_000 })
    expect(await running.client.handle(id, child).result({ timeoutMs: 5_000 })).toBe(5)
    expect(await running.client.count({ kind: child.kind })).toBe(1)
  })
})

describe('ctx.spawn', () => {
  const piece = defineTask({ kind: 'piece', input: type<number>(), handler: ({ input }) => input * 10 })
  const gather = defineTask({
    kind: 'gather',
    upstream: { pieces: listOf(piece) },
    handler: ({ resultsOf }) => resultsOf('pieces'),
  })

  test('grows its own flow once, and feeds a join that waits', async () => {
    const split = defineTask({
      kind: 'split',
      input: type<number>(),
      retry: atOnce,
      async handler({ input, spawn, attempt }) {
        await spawn((f) => {
          const pieces = f.map(
            Array.from({ length: input }, (_, index) => index),
            piece,
          )
          f.feed(f.existing('gather', gather), { pieces })
        })
        if (attempt.index === 0) throw new Error('after the spawn')
      },
    })
    const computed = defineFlow('computed', (f, input: number) => ({
      all: f.after(allOf(f.node(split, input))).openNode(gather),
    }))
    await running.startWorker({ tasks: [split, piece, gather] })
    const handle = await running.client.submit(computed, 4)
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ all: [0, 10, 20, 30] })
    expect(await handle.graph()).toHaveLength(6)
  })

  test('is refused outside a flow', async () => {
    const alone = defineTask({
      kind: 'alone',
      retry: false,
      handler: ({ spawn }) => spawn((f) => void f.node(piece, 1)),
    })
    await running.startWorker({ tasks: [alone] })
    const handle = await running.client.submit(alone)
    expect(await handle.end({ timeoutMs: 5_000 })).toMatchObject({
      failure: { category: 'execution_not_in_flow' },
    })
  })
})

describe('ctx.signal', () => {
  /** A handler that runs until it is told to stop, and says why. */
  function createWaiting(options: { readonly timeouts?: { readonly attemptTimeoutMs: number } } = {}) {
    const reasons: unknown[] = []
    const task = defineTask({
      kind: 'waits',
      retry: false,
      ...options,
      handler: ({ signal }) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            reject(signal.reason as Error)
          })
        }),
    })
    return { task, reasons }
  }

  const isActive = (handle: { status(): Promise<{ readonly publicState: string }> }) =>
    expect.poll(async () => (await handle.status()).publicState, { timeout: 5_000 }).toBe('active')

  test('tells of a cancel', async () => {
    const { task, reasons } = createWaiting()
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await isActive(handle)
    await handle.cancel()
    await expect.poll(() => reasons, { timeout: 3_000 }).toMatchObject([{ kind: 'cancelled' }])
    expect(await handle.end()).toMatchObject({ outcome: 'cancelled' })
  })

  test('tells of a cancel with a grace, in which the handler may still write', async () => {
    const { task } = createWaiting()
    const polite = {
      ...task,
      handler: ({ signal }: { signal: AbortSignal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve('saved'))),
    }
    await running.startWorker({ tasks: [polite as never] })
    const handle = await running.client.submit(task)
    await isActive(handle)
    expect(await handle.cancel({ graceMs: 10_000 })).toMatchObject({ outcome: 'cancelling' })
    expect(await handle.result({ timeoutMs: 5_000 })).toBe('saved')
  })

  test('tells of a lease that was taken away, and nothing more is written under it', async () => {
    const { task, reasons } = createWaiting()
    const lost: AbortReason[] = []
    await running.startWorker({
      tasks: [task],
      concurrency: 1,
      observer: { lost: (_, reason) => lost.push(reason) },
    })
    const handle = await running.client.submit(task)
    await isActive(handle)
    await running.store.leases.revoke({ namespace: running.namespace, id: handle.id })
    await expect.poll(() => reasons, { timeout: 3_000 }).toMatchObject([{ kind: 'lease_lost' }])
    expect(lost).toHaveLength(1)
    await expect.poll(async () => (await handle.status()).attemptCount, { timeout: 5_000 }).toBe(2)
    await handle.cancel()
  })

  test('tells that the time of the attempt is over', async () => {
    const { task, reasons } = createWaiting({ timeouts: { attemptTimeoutMs: 500 } })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.end({ timeoutMs: 5_000 })).toMatchObject({
      outcome: 'failed',
      failure: { category: 'timeout' },
    })
    // The end is recorded by the store; its handler learns of it on its own way.
    await until('its handler is told', () => reasons.length > 0)
    expect(reasons).toMatchObject([{ kind: 'timed_out' }])
  })
})

test('middleware wraps every handler, the first one outermost', async () => {
  const order: string[] = []
  const around =
    (name: string) =>
    async (_: unknown, next: () => Promise<unknown>): Promise<unknown> => {
      order.push(`${name} in`)
      const result = await next()
      order.push(`${name} out`)
      return `${name}(${String(result)})`
    }
  const task = defineTask({ kind: 'wrapped', handler: () => 'x' })
  await running.startWorker({ tasks: [task], middleware: [around('a'), around('b')] })
  const handle = await running.client.submit(task)
  expect(await handle.result({ timeoutMs: 5_000 })).toBe('a(b(x))')
  expect(order).toEqual(['a in', 'b in', 'b out', 'a out'])
})
