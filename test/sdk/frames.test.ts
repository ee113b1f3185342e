import { isEngineError, limits } from '@flowfabric/core'
import {
  AttemptLostError,
  type Codec,
  createClient,
  defineTask,
  type StreamFrame,
  type,
} from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const atOnce = { maxAttempts: 3, backoff: { initialMs: 0, maxMs: 0 } }

async function collect(frames: AsyncIterable<StreamFrame>): Promise<readonly StreamFrame[]> {
  const all: StreamFrame[] = []
  for await (const frame of frames) all.push(frame)
  return all
}

describe('ctx.emit', () => {
  test('is followed as it comes, in order, until the execution has ended', async () => {
    let goOn = () => {}
    const pause = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const task = defineTask({
      kind: 'talk',
      async handler({ emit }) {
        await emit({ token: 'a' }, { type: 'token' })
        await pause
        // Not waited for: the end comes after them all the same.
        for (let n = 0; n < 300; n += 1) void emit(n, { mode: 'best_effort' })
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    const seen: StreamFrame[] = []
    for await (const frame of handle.stream()) {
      seen.push(frame)
      goOn()
    }
    expect(seen[0]).toMatchObject({
      data: { token: 'a' },
      type: 'token',
      mode: 'durable',
      attempt: 0,
      number: 0,
    })
    expect(seen.slice(1).map(({ data }) => data)).toEqual(Array.from({ length: 300 }, (_, n) => n))
    const rest = await collect(handle.stream({ cursor: seen[298]?.cursor }))
    expect(rest.map(({ number }) => number)).toEqual([299, 300])
  })

  test('goes on across attempts, and begins anew with each', async () => {
    const task = defineTask({
      kind: 'retried',
      retry: atOnce,
      async handler({ emit, attempt }) {
        await emit(`of ${attempt.index}`)
        if (attempt.index === 0) throw new Error('once more')
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    const all = await collect(handle.stream())
    expect(all.map(({ data, attempt, number }) => [data, attempt, number])).toEqual([
      ['of 0', 0, 0],
      ['of 1', 1, 0],
    ])
    expect((await collect(handle.stream({ attempt: 1 }))).map(({ data }) => data)).toEqual(['of 1'])
  })

  test('goes on behind what an attempt has when it was put aside for a while', async () => {
    const task = defineTask({
      kind: 'napping',
      async handler({ emit, sleep, step }) {
        await step('first', () => emit('before'))
        void emit('again, since it is in no step')
        await sleep(1_000)
        await emit('after')
      },
    })
    await running.startWorker({ tasks: [task], sleepInPlaceMsMax: 0 })
    const handle = await running.client.submit(task)
    await handle.result({ timeoutMs: 10_000 })
    const all = await collect(handle.stream({ attempt: 0 }))
    expect(all.map(({ data }) => data)).toEqual([
      'before',
      'again, since it is in no step',
      'again, since it is in no step',
      'after',
    ])
  })

  test('refuses one frame without losing those behind it', async () => {
    const task = defineTask({
      kind: 'too-long',
      async handler({ emit }) {
        const outcomes = await Promise.allSettled([
          emit('a'),
          emit('x'.repeat(limits.frameBytesMax)),
          emit('b'),
          emit(1n),
          emit('c'),
        ])
        return outcomes.map((each) => {
          if (each.status === 'fulfilled') return 'sent'
          return isEngineError(each.reason) ? each.reason.code : (each.reason as Error).name
        })
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.result({ timeoutMs: 10_000 })).toEqual([
      'sent',
      'frame_too_large',
      'sent',
      'TypeError',
      'sent',
    ])
    expect((await collect(handle.stream())).map(({ data }) => data)).toEqual(['a', 'b', 'c'])
  })

  test('says so when the attempt is lost, and does not end the process when nobody listens', async () => {
    let refused: unknown
    const task = defineTask({
      kind: 'cancelled',
      retry: false,
      async handler({ emit, signal }) {
        await emit('before')
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        void emit('nobody waits')
        refused = await emit('after').catch((error: unknown) => error)
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    const frames = handle.stream()
    await frames.next()
    await handle.cancel()
    expect(await frames.next()).toMatchObject({ done: true })
    await expect.poll(() => refused, { timeout: 10_000 }).toBeInstanceOf(AttemptLostError)
  })

  test('goes through the codec', async () => {
    const codec: Codec = {
      encode: (value) => Promise.resolve(Buffer.from(`?${JSON.stringify(value)}`)),
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString().slice(1)),
    }
    const task = defineTask({ kind: 'encoded', handler: ({ emit }) => emit({ secret: true }) })
    await running.startWorker({ tasks: [task], codec })
    const { engine, namespace } = running
    const client = createClient({ connect: { backend: engine.backend, namespace }, codec })
    const handle = await client.submit(task)
    expect((await collect(handle.stream())).map(({ data }) => data)).toEqual([{ secret: true }])
    client.close()
  })
})

describe('ctx.summary', () => {
  test('makes one document, which readers have whole or by its patches', async () => {
    const task = defineTask({
      kind: 'summing',
      input: type<number>(),
      async handler({ summary, emit, input }) {
        void summary({ pages: { done: 0, of: input }, note: 'begun' })
        void emit('between')
        await summary({ pages: { done: 1 }, note: null })
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task, 2)
    const all = await collect(handle.stream())
    expect(all.map(({ mode, data }) => [mode, data])).toEqual([
      ['summary', { pages: { done: 0, of: 2 }, note: 'begun' }],
      ['durable', 'between'],
      ['summary', { pages: { done: 1 }, note: null }],
    ])
    expect(await handle.summary()).toMatchObject({
      attempt: 0,
      document: { pages: { done: 1, of: 2 } },
      patchCount: 2,
    })
  })

  test('is refused where a codec would hide it, and for what is no object', async () => {
    const codes: unknown[] = []
    const task = defineTask({
      kind: 'hidden',
      async handler({ summary }) {
        for (const patch of [{ a: 1 }, [] as never]) {
          codes.push(await summary(patch).catch((error: unknown) => isEngineError(error) && error.code))
        }
      },
    })
    const codec: Codec = {
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
    }
    const worker = await running.startWorker({ tasks: [task], codec })
    await (await running.client.submit(task)).result({ timeoutMs: 10_000 })
    await worker.drain()
    await running.startWorker({ tasks: [task] })
    await (await running.client.submit(task)).result({ timeoutMs: 10_000 })
    expect(codes).toEqual(['payload_opaque', 'payload_opaque', undefined, 'invalid_patch'])
  })
})
