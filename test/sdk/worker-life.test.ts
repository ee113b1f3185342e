import { engineError, type FoundationBackend, type LeaseOperations } from '@flowfabric/core'
import { createWorker, defineTask, type, type Worker } from '@flowfabric/sdk'
import { afterEach, describe, expect, test } from 'vitest'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
afterEach(() => running.close())

/** Handlers of this task run until they are released. */
function createGated() {
  const waiting: (() => void)[] = []
  const task = defineTask({
    kind: 'gated',
    input: type<number>(),
    handler: ({ input }) =>
      new Promise<number>((resolve) => {
        waiting.push(() => resolve(input))
      }),
  })
  return { task, waiting, releaseAll: () => waiting.splice(0).forEach((release) => void release()) }
}

const quick = defineTask({ kind: 'quick', input: type<number>(), handler: ({ input }) => input })

describe('a worker', () => {
  test('runs as many handlers at once as it may, and no more', async () => {
    running = await startEngine()
    const { task, waiting, releaseAll } = createGated()
    const worker = await running.startWorker({ tasks: [task], concurrency: 3 })
    const submitted = await running.client.submitMany(task, [0, 1, 2, 3, 4, 5, 6])
    await expect.poll(() => waiting.length, { timeout: 5_000 }).toBe(3)
    expect(worker.load.running).toBe(3)
    const results = Promise.all(
      submitted.map((each) => each.outcome !== 'error' && each.handle.result({ timeoutMs: 5_000 })),
    )
    await expect
      .poll(
        () => {
          expect(worker.load.running).toBeLessThanOrEqual(3)
          releaseAll()
          return running.client.count({ states: ['completed'] })
        },
        { timeout: 5_000 },
      )
      .toBe(7)
    expect(await results).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  test('takes only what it serves: its lanes, its kinds, its capabilities', async () => {
    running = await startEngine()
    await running.startWorker({ tasks: [quick], lanes: ['fast'], capabilities: ['gpu'] })
    const served = await running.client.submit(quick, 1, { lane: 'fast', capabilities: ['gpu'] })
    const otherLane = await running.client.submit(quick, 2, { lane: 'slow' })
    const otherCapability = await running.client.submit(quick, 3, { lane: 'fast', capabilities: ['tpu'] })
    expect(await served.result({ timeoutMs: 5_000 })).toBe(1)
    expect((await otherLane.status()).publicState).toBe('waiting')
    expect((await otherCapability.status()).publicState).toBe('waiting')
  })

  test('is registered while it runs, and gone after its goodbye', async () => {
    running = await startEngine()
    const worker = await running.startWorker({ tasks: [quick], concurrency: 5 })
    const list = async () => (await running.store.workers.list({ namespace: running.namespace })).workers
    expect(await list()).toMatchObject([{ workerId: 'test', kinds: ['quick'], concurrency: 5 }])
    await worker.drain()
    expect(await list()).toEqual([])
    expect(worker.state).toBe('stopped')
  })

  test('refuses tasks without handlers when it is made', async () => {
    running = await startEngine()
    const contract = defineTask({ kind: 'contract' })
    expect(() => createWorker({ connect: { backend: running.engine.backend }, tasks: [contract] })).toThrow(
      /handler/,
    )
  })
})

describe('drain', () => {
  test('lets running handlers end, and hands back what was not started, unharmed', async () => {
    running = await startEngine()
    const { task, waiting, releaseAll } = createGated()
    const worker = await running.startWorker({ tasks: [quick, task], concurrency: 2 })
    // Measured work is quick, so that the worker takes more than it can run.
    for (const n of [1, 2, 3]) await (await running.client.submit(quick, n)).result({ timeoutMs: 5_000 })
    const submitted = await running.client.submitMany(task, [0, 1, 2, 3])
    await expect.poll(() => worker.load, { timeout: 1_500 }).toEqual({ running: 2, queued: 2 })
    const drained = worker.drain({ graceMs: 5_000 })
    await expect.poll(() => running.client.count({ states: ['waiting'] }), { timeout: 5_000 }).toBe(2)
    expect(waiting).toHaveLength(2)
    releaseAll()
    await drained
    const statuses = await Promise.all(
      submitted.map((each) => (each.outcome === 'error' ? undefined : each.handle.status())),
    )
    expect(statuses.map((status) => [status?.publicState, status?.attemptCount])).toEqual([
      ['completed', 1],
      ['completed', 1],
      ['waiting', 0],
      ['waiting', 0],
    ])
  })

  test('tells handlers that do not end to stop, and leaves their attempts to others', async () => {
    running = await startEngine()
    const reasons: unknown[] = []
    const stubborn = defineTask({
      kind: 'stubborn',
      retry: false,
      handler: ({ signal }) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            reject(signal.reason as Error)
          })
        }),
    })
    const worker = await running.startWorker({ tasks: [stubborn] })
    const handle = await running.client.submit(stubborn)
    await expect.poll(() => worker.load.running, { timeout: 5_000 }).toBe(1)
    await worker.drain({ graceMs: 20 })
    expect(reasons).toMatchObject([{ kind: 'shutting_down' }])
    // Handed back by the goodbye, long before the lease would have run out; a single attempt was not used up.
    expect(await handle.status()).toMatchObject({
      publicState: 'waiting',
      lease: null,
      reclaimCount: 1,
      retryCount: 1,
    })
  })
})

describe('while its store is away', () => {
  /** Passes every call on; while it is down, calls fail, some of them after they were carried out. */
  function createOutage() {
    const outage = { isDown: false, losesAnswers: false, failed: 0 }
    const guard = <Params, Answer>(call: (params: Params) => Promise<Answer>) => {
      return async (params: Params): Promise<Answer> => {
        if (!outage.isDown) return call(params)
        outage.failed++
        if (outage.losesAnswers) await call(params)
        throw engineError('connection_lost', 'cut by the test', {}, { mayHaveCommitted: outage.losesAnswers })
      }
    }
    const wrap = (backend: FoundationBackend): FoundationBackend => {
      const leases = Object.fromEntries(
        Object.entries(backend.leases).map(([name, call]) => [
          name,
          guard(call as (params: unknown) => Promise<unknown>),
        ]),
      )
      return { ...backend, leases: leases as unknown as LeaseOperations }
    }
    return { outage, wrap }
  }

  test.each([false, true])(
    'keeps what has ended and records it once (answers lost: %s)',
    async (losesAnswers) => {
      const { outage, wrap } = createOutage()
      running = await startEngine(wrap)
      const { task, waiting, releaseAll } = createGated()
      const recorded: string[] = []
      await running.startWorker({
        tasks: [task],
        observer: { recorded: ({ executionId }) => recorded.push(executionId) },
      })
      const submitted = await running.client.submitMany(task, [0, 1, 2, 3])
      await expect.poll(() => waiting.length, { timeout: 5_000 }).toBe(4)
      Object.assign(outage, { isDown: true, losesAnswers })
      releaseAll()
      await expect.poll(() => outage.failed, { timeout: 5_000 }).toBeGreaterThan(2)
      outage.isDown = false
      const statuses = await Promise.all(
        submitted.map(async (each) => {
          if (each.outcome === 'error') throw each.error
          await each.handle.result({ timeoutMs: 5_000 })
          return each.handle.status()
        }),
      )
      expect(statuses.map(({ attemptCount }) => attemptCount)).toEqual([1, 1, 1, 1])
      await expect.poll(() => [...recorded].sort()).toEqual(statuses.map(({ id }) => id).sort())
    },
  )

  test('asks for work again when it is back', async () => {
    const { outage, wrap } = createOutage()
    running = await startEngine(wrap)
    outage.isDown = true
    await running.startWorker({ tasks: [quick] })
    await expect.poll(() => outage.failed, { timeout: 5_000 }).toBeGreaterThan(1)
    const handle = await running.client.submit(quick, 1)
    outage.isDown = false
    expect(await handle.result({ timeoutMs: 5_000 })).toBe(1)
  })

  test('starts when there is no store yet, and registers when there is one', async () => {
    let isDown = true
    running = await startEngine((backend) => ({
      ...backend,
      workers: {
        ...backend.workers,
        register: (params) =>
          isDown
            ? Promise.reject(engineError('store_unreachable', 'not there yet'))
            : backend.workers.register(params),
      },
    }))
    const starting: Promise<Worker> = running.startWorker({ tasks: [quick] })
    const handle = await running.client.submit(quick, 1)
    isDown = false
    await starting
    expect(await handle.result({ timeoutMs: 5_000 })).toBe(1)
  })
})

test('a handler may outlive its lease many times over, since it is renewed', async () => {
  running = await startEngine()
  const { task, releaseAll } = createGated()
  await running.startWorker({ tasks: [task], leaseTtlMs: 3_000 })
  const handle = await running.client.submit(task, 1)
  await expect.poll(async () => (await handle.status()).lease?.expiresAtMs, { timeout: 5_000 }).toBeDefined()
  const first = (await handle.status()).lease?.expiresAtMs ?? 0
  await expect
    .poll(async () => (await handle.status()).lease?.expiresAtMs, { timeout: 12_000 })
    .toBeGreaterThan(first + 3_000)
  releaseAll()
  await handle.result({ timeoutMs: 5_000 })
  expect(await handle.status()).toMatchObject({ attemptCount: 1, reclaimCount: 0 })
})
