import {
  allOf,
  anyOf,
  defineFlow,
  defineTask,
  ExecutionNotSucceededError,
  FlowNotCompletedError,
  listOf,
  quorum,
  ResultTimeoutError,
  TerminalError,
  type,
} from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(() => running.close())

const noPause = { backoff: { initialMs: 0, maxMs: 0 } }

const double = defineTask({
  kind: 'double',
  input: z.object({ n: z.number() }),
  handler: ({ input }) => ({ doubled: input.n * 2 }),
})

describe('a task', () => {
  test('is submitted, run, and its result is typed and handed back', async () => {
    await running.startWorker({ tasks: [double] })
    const handle = await running.client.submit(double, { n: 21 })
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ doubled: 42 })
    expect((await handle.status()).publicState).toBe('completed')
    expect(await running.client.countBy('state', { kind: double.kind })).toEqual([
      { name: 'completed', count: 1 },
    ])
  })

  test('is refused where it is submitted when its input is invalid', async () => {
    await expect(running.client.submit(double, { n: 'one' } as never)).rejects.toMatchObject({
      code: 'invalid_params',
      details: { issues: [{ path: 'n' }] },
    })
    expect(await running.client.count()).toBe(0)
    expect(await running.client.countBy('state')).toEqual([])
  })

  test('that fails twice succeeds on its third attempt', async () => {
    const flaky = defineTask({
      kind: 'flaky',
      retry: { maxAttempts: 3, ...noPause },
      handler: ({ attempt }) => {
        if (attempt.index < 2) throw new Error(`attempt ${attempt.index} fails`)
        return attempt.index
      },
    })
    await running.startWorker({ tasks: [flaky] })
    const handle = await running.client.submit(flaky)
    expect(await handle.result({ timeoutMs: 5_000 })).toBe(2)
    const { items } = await running.store.attempts.list({
      namespace: running.namespace,
      executionId: handle.id,
    })
    expect(items.map(({ type: kind, state }) => [kind, state])).toEqual([
      ['initial', 'ended_failure'],
      ['retry', 'ended_failure'],
      ['retry', 'ended_success'],
    ])
  })

  test('that throws a TerminalError is not tried again', async () => {
    let runs = 0
    const hopeless = defineTask({
      kind: 'hopeless',
      retry: { maxAttempts: 5, ...noPause },
      handler: () => {
        runs++
        throw new TerminalError('no use', { category: 'bad_address' })
      },
    })
    await running.startWorker({ tasks: [hopeless] })
    const handle = await running.client.submit(hopeless)
    const error = await handle.result({ timeoutMs: 5_000 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ExecutionNotSucceededError)
    expect(error).toMatchObject({
      outcome: 'failed',
      failure: { category: 'bad_address', message: 'no use' },
    })
    expect(runs).toBe(1)
  })

  test('whose result does not fit its schema fails as validation', async () => {
    const wrong = defineTask({
      kind: 'wrong',
      output: z.object({ n: z.number() }),
      retry: false,
      handler: () => ({ n: 'one' }) as never,
    })
    await running.startWorker({ tasks: [wrong] })
    const handle = await running.client.submit(wrong)
    expect(await handle.end({ timeoutMs: 5_000 })).toMatchObject({
      outcome: 'failed',
      failure: { category: 'invalid_params' },
    })
  })

  test('is waited for no longer than the caller says', async () => {
    const handle = await running.client.submit(double, { n: 1 })
    await expect(handle.result({ timeoutMs: 20 })).rejects.toBeInstanceOf(ResultTimeoutError)
    await running.startWorker({ tasks: [double] })
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ doubled: 2 })
  })

  test('under an idempotency key is the same execution, and a conflict with other content', async () => {
    const first = await running.client.submit(double, { n: 1 }, { idempotencyKey: 'k' })
    const again = await running.client.submit(double, { n: 1 }, { idempotencyKey: 'k' })
    expect(first.isDuplicate).toBe(false)
    expect(again.isDuplicate).toBe(true)
    expect(again.id).toBe(first.id)
    await expect(running.client.submit(double, { n: 2 }, { idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    })
  })

  test('starts after its delay', async () => {
    await running.startWorker({ tasks: [double] })
    const handle = await running.client.submit(double, { n: 1 }, { delayMs: 150 })
    expect((await handle.status()).publicState).toBe('delayed')
    await handle.result({ timeoutMs: 5_000 })
    const { items } = await running.store.attempts.list({
      namespace: running.namespace,
      executionId: handle.id,
    })
    const { createdAtMs } = await handle.status()
    expect((items[0]?.startedAtMs ?? 0) - createdAtMs).toBeGreaterThanOrEqual(150)
  })

  test('is cancelled before it runs', async () => {
    const handle = await running.client.submit(double, { n: 1 })
    expect(await handle.cancel({ reason: 'not needed' })).toEqual({ outcome: 'cancelled' })
    await expect(handle.result()).rejects.toMatchObject({ outcome: 'cancelled', cancelCause: 'operator' })
  })

  test('is explained', async () => {
    const handle = await running.client.submit(double, { n: 1 })
    expect(await handle.explain()).toMatchObject({ dominant: { reason: 'no_worker' } })
  })
})

describe('many tasks', () => {
  test('are all run, and one that is refused leaves the others unharmed', async () => {
    await running.startWorker({ tasks: [double] })
    const inputs = Array.from({ length: 300 }, (_, n) => ({ n: n === 7 ? Number.NaN : n }))
    const submitted = await running.client.submitMany(double, inputs)
    const results = await Promise.all(
      submitted.map((each) =>
        each.outcome === 'error' ? each.error.code : each.handle.result({ timeoutMs: 10_000 }),
      ),
    )
    expect(results).toEqual(inputs.map(({ n }) => (Number.isNaN(n) ? 'invalid_params' : { doubled: n * 2 })))
  })
})

describe('a flow', () => {
  const add = defineTask({
    kind: 'add',
    upstream: { parts: listOf(double), extra: type<number>() },
    handler: ({ upstream, resultsOf, resultOf }) => ({
      sum: resultsOf('parts').reduce((sum, { doubled }) => sum + doubled, 0) + resultOf('extra'),
      states: upstream.parts.map(({ state }) => state),
    }),
  })
  const seven = defineTask({ kind: 'seven', handler: () => 7 })
  const fails = defineTask({
    kind: 'fails',
    retry: false,
    handler: () => {
      throw new Error('as it should')
    },
  })

  test('hands results down its edges and answers those of its last nodes', async () => {
    const sums = defineFlow('sums', (f, input: { readonly numbers: readonly number[] }) => {
      const parts = f.map(
        input.numbers.map((n) => ({ n })),
        double,
      )
      const extra = f.node(seven)
      return { total: f.after(allOf({ parts, extra })).node(add) }
    })
    await running.startWorker({ tasks: [double, seven, add] })
    const handle = await running.client.submit(sums, { numbers: [1, 2, 3] })
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({
      total: { sum: 19, states: ['completed', 'completed', 'completed'] },
    })
  })

  test('cancels the losers of a race, and tells their handlers why', async () => {
    let reason: unknown
    const slow = defineTask({
      kind: 'slow',
      handler: ({ signal }) =>
        new Promise<string>((_, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            reject(signal.reason as Error)
          })
        }),
    })
    const first = defineTask({
      kind: 'first',
      upstream: { fast: seven, slow },
      handler: ({ upstream }) => [upstream.fast.result, upstream.slow.result],
    })
    const race = defineFlow('race', (f) => ({
      winner: f
        .after(anyOf({ fast: f.node(seven, undefined, { delayMs: 50 }), slow: f.node(slow) }))
        .node(first),
    }))
    await running.startWorker({ tasks: [seven, slow, first] })
    const handle = await running.client.submit(race)
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ winner: [7, null] })
    const loser = await handle.member('slow')
    expect(await loser.end({ timeoutMs: 5_000 })).toMatchObject({
      outcome: 'cancelled',
      cancelCause: 'sibling',
    })
    await expect
      .poll(() => reason, { timeout: 5_000 })
      .toMatchObject({ name: 'AbortReason', kind: 'cancelled' })
  })

  test('decides by quorum, runs the fallback of what failed, and always the finaliser', async () => {
    const ran: string[] = []
    const note = defineTask({
      kind: 'note',
      input: type<string>(),
      handler: ({ input }) => {
        ran.push(input)
      },
    })
    const choices = defineFlow('choices', (f) => {
      const good = [f.node(seven), f.node(seven)]
      const bad = f.node(fails)
      f.after(quorum(2, [...good, bad], { letRun: true })).node(note, 'quorum')
      f.after(bad).node(note, 'never')
      const fallback = f.onFailure(bad).node(note, 'fallback')
      f.onFailure(allOf(...good)).node(note, 'no fallback')
      f.finally(fallback, bad).node(note, 'finally')
    })
    await running.startWorker({ tasks: [seven, fails, note] })
    const handle = await running.client.submit(choices)
    await handle.result({ timeoutMs: 5_000 })
    expect(ran.sort()).toEqual(['fallback', 'finally', 'quorum'])
  })

  test('that fails says which members did', async () => {
    const broken = defineFlow('broken', (f) => {
      f.after(f.node(fails)).node(seven)
    })
    await running.startWorker({ tasks: [seven, fails] })
    const handle = await running.client.submit(broken)
    const error = await handle.result({ timeoutMs: 5_000 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(FlowNotCompletedError)
    expect(error).toMatchObject({ outcome: 'failed', failures: [{ name: 'fails', publicState: 'failed' }] })
  })

  test('under an idempotency key is the same flow', async () => {
    const small = defineFlow('small', (f) => {
      f.node(seven)
    })
    const first = await running.client.submit(small, undefined, { idempotencyKey: 'once' })
    const again = await running.client.submit(small, undefined, { idempotencyKey: 'once' })
    expect([again.id, again.isDuplicate]).toEqual([first.id, true])
  })
})
