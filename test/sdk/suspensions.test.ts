import { isEngineError, limits, type RecordSteps } from '@flowfabric/core'
import { defineTask, type StandardSchema, type } from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const inTime = { timeoutMs: 10_000 }
const atOnce = { maxAttempts: 5, backoff: { initialMs: 0, maxMs: 0 } }

function becomes(handle: { status(): Promise<{ publicState: string }> }, state: string) {
  return expect.poll(async () => (await handle.status()).publicState, { timeout: 10_000 }).toBe(state)
}

describe('ctx.suspend', () => {
  test('ends the run, frees its slot, and goes on from the top with the signals', async () => {
    const runs: number[] = []
    const aborted: boolean[] = []
    const task = defineTask({
      kind: 'waits',
      async handler({ step, suspend, attempt, signal }) {
        runs.push(await step('once', () => runs.length))
        signal.addEventListener('abort', () => aborted.push(true))
        const { by, signals } = await suspend('approval')
        return { by, signals, attempt: attempt.index }
      },
    })
    const other = defineTask({ kind: 'other', handler: () => 'ran meanwhile' })
    const worker = await running.startWorker({ tasks: [task, other], concurrency: 1 })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    expect(worker.load.running).toBe(0)
    expect(aborted).toEqual([true])
    expect(await (await running.client.submit(other)).result(inTime)).toBe('ran meanwhile')
    expect(await handle.signal('approval', 'yes', { note: 'fine' })).toMatchObject({ outcome: 'satisfied' })
    expect(await handle.result(inTime)).toEqual({
      by: 'condition',
      attempt: 0,
      signals: [
        expect.objectContaining({
          waitpoint: 'approval',
          name: 'yes',
          payload: { note: 'fine' },
          source: 'the-tests',
        }),
      ],
    })
    expect(runs).toEqual([0, 0])
    expect(await handle.waitpoints()).toMatchObject([{ name: 'approval', state: 'closed', signalCount: 1 }])
  })

  test('goes on at once, with the lease kept, by signals that came early', async () => {
    let runs = 0
    const task = defineTask({
      kind: 'early',
      async handler({ suspend }) {
        runs++
        const { signals } = await suspend('gate')
        return signals.map(({ name }) => name)
      },
    })
    const handle = await running.client.submit(task)
    await handle.waitpoint('gate')
    expect(await handle.signal('gate', 'before')).toMatchObject({ outcome: 'buffered' })
    await running.startWorker({ tasks: [task] })
    expect(await handle.result(inTime)).toEqual(['before'])
    expect(runs).toBe(1)
  })

  test('gives later attempts what it gave the first, though another one has begun since', async () => {
    const seen: unknown[] = []
    const task = defineTask({
      kind: 'retried',
      retry: atOnce,
      async handler({ suspend, attempt }) {
        const first = await suspend('one')
        const second = await suspend('two', { name: 'the second' })
        seen.push([first.signals[0]?.payload, second.signals[0]?.payload])
        if (attempt.index < 2) throw new Error('after both')
        return 'done'
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    await handle.signal('one', 'go', 1)
    await handle.waitpoint('two')
    await handle.signal('two', 'go', 2)
    expect(await handle.result(inTime)).toBe('done')
    expect(seen).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    expect((await handle.attempts()).map(({ index }) => index)).toEqual([0, 1, 2])
  })

  test('is told the same again when what it was told could not be recorded', async () => {
    await running.close()
    let refused = 0
    running = await startEngine((backend) => ({
      ...backend,
      attempts: new Proxy(backend.attempts, {
        get: (target, name, receiver) => {
          if (name !== 'recordStep') return Reflect.get(target, name, receiver)
          return async (params: RecordSteps) => {
            if (!params.items.some(({ type: kind }) => kind === 'suspend') || refused++ > 0) {
              return backend.attempts.recordStep(params)
            }
            throw new Error('the answer is lost with its worker')
          }
        },
      }),
    }))
    const seen: unknown[] = []
    const task = defineTask({
      kind: 'forgetful',
      retry: atOnce,
      async handler({ suspend, attempt }) {
        const { by, signals } = await suspend('gate')
        seen.push([attempt.index, by, signals.map(({ payload }) => payload)])
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    await handle.signal('gate', 'go', 7)
    expect(await handle.end(inTime)).toMatchObject({ outcome: 'success' })
    expect(refused).toBe(2)
    // The run goes on while it is being recorded, and fails at its end.
    expect(seen).toEqual([0, 1].map((attempt) => [attempt, 'condition', [7]]))
  })

  test('counts sources, matches names and payloads, and joins conditions', async () => {
    const task = defineTask({
      kind: 'conditions',
      async handler({ suspend }) {
        const two = { count: 2, of: 'sources', on: 'votes', match: { name: 'yes' } } as const
        const large = {
          signal: 'amount',
          match: { payload: { op: 'above', path: '/n', value: 10 } },
        } as const
        const { signals } = await suspend({ allOf: [two, { anyOf: [large, 'override'] }] })
        return signals.map(({ waitpoint, payload }) => [waitpoint, payload])
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    const votes = await handle.waitpoint('votes')
    const { client } = running
    const vote = async (source: string, name: string) => {
      const token = await votes.tokenFor(source)
      return (await client.signalByToken({ waitpointId: votes.id, token }, name)).outcome
    }
    expect(await handle.signal('amount', 'n', { n: 5 })).toEqual({ outcome: 'not_matched' })
    expect(await handle.signal('amount', 'n', { n: 11 })).toMatchObject({ outcome: 'accepted' })
    expect(await vote('ann', 'no')).toBe('not_matched')
    expect(await vote('ann', 'yes')).toBe('accepted')
    expect(await vote('ann', 'yes')).toBe('buffered')
    expect(await vote('bob', 'yes')).toBe('satisfied')
    expect(await handle.result(inTime)).toEqual([
      ['amount', { n: 11 }],
      ['votes', null],
      ['votes', null],
    ])
  })

  test('gives up when its time is over, and says so', async () => {
    const task = defineTask({
      kind: 'impatient',
      async handler({ suspend }) {
        const timeout = { afterMs: 100, behaviour: 'auto_resume_with_timeout_signal' } as const
        const { by, signals } = await suspend('never', { timeout, reason: 'approval' })
        return { by, names: signals.map(({ name }) => name) }
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    expect(await handle.result(inTime)).toEqual({ by: 'timeout', names: ['timeout'] })
  })

  test('of one run side by side take turns', async () => {
    const task = defineTask({
      kind: 'side-by-side',
      async handler({ suspend }) {
        const [a, b] = await Promise.all([suspend('a', { name: 'a' }), suspend('b', { name: 'b' })])
        return [a.signals[0]?.payload, b.signals[0]?.payload]
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    await handle.waitpoint('b')
    await handle.signal('b', 'x', 'second')
    await handle.signal('a', 'x', 'first')
    expect(await handle.result(inTime)).toEqual(['first', 'second'])
  })

  test('types and checks payloads by schemas', async () => {
    const positive: StandardSchema<number, number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) =>
          typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'not positive' }] },
      },
    }
    const task = defineTask({
      kind: 'typed',
      async handler({ suspend }) {
        const { signals, others } = await suspend(
          { count: 2, of: 'signals', on: 'in' },
          { signals: { amount: positive, note: type<{ text: string }>() } },
        )
        const [first] = signals
        if (first?.name === 'amount') expectTypeOf(first.payload).toEqualTypeOf<number>()
        if (first?.name === 'note') expectTypeOf(first.payload).toEqualTypeOf<{ text: string }>()
        return { names: signals.map(({ name }) => name), others: others.map(({ name }) => name) }
      },
    })
    await running.startWorker({ tasks: [task] })
    const good = await running.client.submit(task)
    await becomes(good, 'suspended')
    await good.signal('in', 'amount', 5)
    await good.signal('in', 'else', 5)
    expect(await good.result(inTime)).toEqual({ names: ['amount'], others: ['else'] })
    const bad = await running.client.submit(task)
    await becomes(bad, 'suspended')
    await bad.signal('in', 'amount', -1)
    await bad.signal('in', 'amount', 1)
    expect(await bad.end(inTime)).toMatchObject({ outcome: 'failed', failure: { category: 'validation' } })
    expect(await bad.attempts()).toHaveLength(1)
  })

  test('brings signals that were too much for a claim, on every run', async () => {
    const task = defineTask({
      kind: 'large',
      retry: atOnce,
      async handler({ suspend, attempt }) {
        const { signals } = await suspend({ count: 3, of: 'signals', on: 'in' })
        if (attempt.index === 0) throw new Error('again')
        return signals.map(({ payload }) => String(payload).length)
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    const long = 'x'.repeat(limits.inlineSignalBytesMax / 2)
    for (let n = 0; n < 3; n += 1) await handle.signal('in', 'part', long)
    expect(await handle.result(inTime)).toEqual([long.length, long.length, long.length])
  })

  test('ends with its execution when that is cancelled', async () => {
    const task = defineTask({ kind: 'cancelled', handler: ({ suspend }) => suspend('never') })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    await handle.cancel()
    expect(await handle.end(inTime)).toMatchObject({ outcome: 'cancelled' })
    expect(await handle.signal('never', 'late')).toEqual({ outcome: 'waitpoint_closed' })
  })

  test('is explained: what it waits for, which waitpoints are open, and when it gives up', async () => {
    const task = defineTask({
      kind: 'explained',
      async handler({ suspend }) {
        const timeout = { afterMs: 600_000, behaviour: 'expire' } as const
        await suspend({ count: 2, of: 'sources', on: 'approval' }, { timeout, reason: 'approval' })
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    await handle.signal('approval', 'yes')
    expect(await handle.explain()).toMatchObject({
      publicState: 'suspended',
      dominant: {
        reason: 'suspended',
        message: expect.stringMatching(
          /^It waits for signals of 2 different sources on approval\. In \d+ ms it times out: then it expires\.$/,
        ),
        sinceMs: expect.any(Number),
        releasedBy: 'what it waits for, or its timeout',
        evidence: {
          blockingReason: 'waiting_for_approval',
          suspension: { reason: 'approval', timeoutBehaviour: 'expire' },
          waitpoints: [{ name: 'approval', state: 'open', signalCount: 1 }],
        },
      },
    })
  })
})

describe('ctx.waitpoint', () => {
  test('is the same in every run, and its token lets its bearer signal', async () => {
    const opened: string[] = []
    const task = defineTask({
      kind: 'hands-out',
      async handler({ waitpoint, suspend }) {
        const point = await waitpoint('callback', { expiresAt: Date.now() + 600_000 })
        opened.push(`${point.id} ${point.token}`)
        const { signals } = await suspend(point)
        return { url: point.url, payload: signals[0]?.payload, source: signals[0]?.source }
      },
    })
    await running.startWorker({ tasks: [task] })
    const handle = await running.client.submit(task)
    await becomes(handle, 'suspended')
    const [waitpointId = '', token = ''] = opened[0]?.split(' ') ?? []
    const bearer = { waitpointId, token }
    const wrong = await running.client
      .signalByToken({ ...bearer, token: `${token}x` }, 'done')
      .catch((error: unknown) => isEngineError(error) && error.code)
    expect(wrong).toBe('waitpoint_not_found')
    const options = { idempotencyKey: 'k' }
    const first = await running.client.signalByToken(bearer, 'done', { ok: true }, options)
    expect(first.outcome).toBe('satisfied')
    expect(await running.client.signalByToken(bearer, 'done', { ok: true }, options)).toEqual({
      ...first,
      outcome: 'duplicate',
    })
    expect(await handle.result(inTime)).toEqual({
      url: `https://flows.example.org/v1/waitpoints/${encodeURIComponent(waitpointId)}/signal`,
      payload: { ok: true },
      source: null,
    })
    expect(opened).toEqual([opened[0], opened[0]])
    expect(await handle.signals({ waitpoint: 'callback' })).toMatchObject([
      { waitpoint: 'callback', name: 'done', payload: { ok: true }, source: null },
    ])
  })

  test('takes no more signals when it is closed', async () => {
    const task = defineTask({ kind: 'closes', handler: ({ suspend }) => suspend('gate') })
    const handle = await running.client.submit(task)
    await handle.waitpoint('gate')
    await handle.closeWaitpoint('gate')
    expect(await handle.signal('gate', 'late')).toEqual({ outcome: 'waitpoint_closed' })
    await expect(handle.signal('unknown', 'x')).rejects.toMatchObject({ code: 'waitpoint_not_found' })
  })
})
