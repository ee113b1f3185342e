import {
  type ExecutionSubmission,
  limits,
  mintSoloExecutionId,
  must,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it, vi } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { type TestStore, useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.submit', () => {
  const store = useStore()
  const submit = async (...items: ExecutionSubmission[]) =>
    (await store().backend.executions.submit({ namespace: store().namespace, items })).items

  it('accepts an execution that then waits for a worker', async () => {
    const nowMs = await store().nowMs()
    const solo = store().aSolo({ input: bytesOf('in'), priority: 7, tags: { 'a.b': 'c' } })
    expect(await submit(solo)).toEqual([{ outcome: 'accepted', id: solo.id }])
    expect(await readOne(store(), solo.id)).toMatchObject({
      id: solo.id,
      publicState: 'waiting',
      state: {
        lifecyclePhase: 'runnable',
        ownershipState: 'unowned',
        eligibilityState: 'eligible_now',
        blockingReason: 'waiting_for_worker',
        terminalOutcome: 'none',
        attemptState: 'pending_first_attempt',
      },
      priority: 7,
      tags: { 'a.b': 'c' },
      generation: 1,
      epoch: 0,
      attemptCount: 0,
      createdAtMs: nowMs,
      firstEligibleAtMs: nowMs,
      readyAtMs: nowMs,
      notBeforeMs: null,
      lease: null,
      terminalAtMs: null,
    })
  })

  it('fills in the documented policies', async () => {
    const execution = await readOne(store(), await submitOne(store()))
    expect(execution).toMatchObject({ priority: 0, tags: {}, capabilities: [], flowId: null, name: null })
    expect(execution.timeouts).toEqual({})
    expect(execution.retry).toEqual({
      maxAttempts: 3,
      backoff: { kind: 'exponential', initialMs: 1_000, multiplier: 2, maxMs: 300_000, jitter: true },
      nonRetryable: [],
    })
  })

  it('keeps the policies that it is given', async () => {
    const retry = steadyRetry({ maxAttempts: 5, nonRetryable: ['fatal'] })
    const timeouts = { deadlineMs: 10_000, attemptTimeoutMs: 2_000, queueTtlMs: 3_000 }
    const id = await submitOne(store(), { retry, timeouts, capabilities: ['gpu', 'arm', 'gpu'] })
    const execution = await readOne(store(), id)
    expect(execution).toMatchObject({ retry, timeouts, capabilities: ['arm', 'gpu'] })
    expect(execution.deadlineAtMs).toBe(execution.createdAtMs + 10_000)
  })

  it('delays what is not to start yet, and starts its deadline when it becomes eligible', async () => {
    const nowMs = await store().nowMs()
    const id = await submitOne(store(), { delayMs: 5_000, timeouts: { deadlineMs: 1_000 } })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'delayed',
      state: { eligibilityState: 'not_eligible_until_time', blockingReason: 'waiting_for_delay' },
      notBeforeMs: nowMs + 5_000,
      delayReason: 'start_time',
      firstEligibleAtMs: null,
      deadlineAtMs: null,
    })
    await store().pass(5_000)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      notBeforeMs: null,
      firstEligibleAtMs: nowMs + 5_000,
      readyAtMs: nowMs + 5_000,
      deadlineAtMs: nowMs + 6_000,
    })
  })

  it('takes a start time in the past as now', async () => {
    const nowMs = await store().nowMs()
    const id = await submitOne(store(), { startAtMs: nowMs - 1 })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      readyAtMs: nowMs,
      notBeforeMs: null,
    })
  })

  it('answers duplicate to a repeat by id, whatever became of the execution, and changes nothing', async () => {
    const solo = store().aSolo({ input: bytesOf('in') })
    await submit(solo)
    await store().end(solo)
    const before = await readOne(store(), solo.id)
    expect(await submit({ ...solo, priority: 9 })).toEqual([{ outcome: 'duplicate', id: solo.id }])
    expect(await readOne(store(), solo.id)).toEqual(before)
  })

  it('refuses an id that another kind, input or namespace has, and tells nothing about it', async () => {
    const solo = store().aSolo({ input: bytesOf('in') })
    await submit(solo)
    expect(await submit({ ...solo, kind: parseKind('other') })).toEqual([{ outcome: 'execution_conflict' }])
    expect(await submit({ ...solo, input: bytesOf('other') })).toEqual([{ outcome: 'execution_conflict' }])
    const foreign = await store().backend.executions.submit({
      namespace: parseNamespace('foreign'),
      items: [solo],
    })
    expect(foreign.items).toEqual([{ outcome: 'execution_conflict' }])
  })

  it('compares the stated input hash instead of the input', async () => {
    const solo = store().aSolo({ input: bytesOf('one encoding'), inputHash: 'same' })
    await submit(solo)
    expect(await submit({ ...solo, input: bytesOf('another') })).toEqual([
      { outcome: 'duplicate', id: solo.id },
    ])
    expect(await submit({ ...solo, inputHash: 'other' })).toEqual([{ outcome: 'execution_conflict' }])
  })

  it('answers the recorded id under an idempotency key, whatever id came along', async () => {
    const first = store().aSolo({ idempotencyKey: 'order-1' })
    const second = store().aSolo({ idempotencyKey: 'order-1' })
    expect(await submit(first)).toEqual([{ outcome: 'accepted', id: first.id }])
    expect(await submit(second)).toEqual([{ outcome: 'duplicate', id: first.id }])
    expect(await codeOf(readOne(store(), second.id))).toBe('execution_not_found')
  })

  it('refuses an idempotency key that was used with another kind or input', async () => {
    await submit(store().aSolo({ idempotencyKey: 'order-1', input: bytesOf('a') }))
    const other = store().aSolo({ idempotencyKey: 'order-1', input: bytesOf('b') })
    const kind = store().aSolo({ idempotencyKey: 'order-1', input: bytesOf('a'), kind: parseKind('other') })
    expect(await submit(other, kind)).toEqual([
      { outcome: 'idempotency_conflict' },
      { outcome: 'idempotency_conflict' },
    ])
    expect(await countAll(store())).toBe(1)
  })

  it('judges items of one call that share a key or an id in their order', async () => {
    const [a, b] = [bytesOf('a'), bytesOf('b')]
    const first = store().aSolo({ idempotencyKey: 'order-1', input: a })
    const sharing = store().aSolo({ idempotencyKey: 'order-2', input: a })
    const answers = await submit(
      first,
      store().aSolo({ idempotencyKey: 'order-1', input: a }),
      store().aSolo({ idempotencyKey: 'order-1', input: b }),
      sharing,
      { ...sharing, idempotencyKey: 'order-3' },
      { ...sharing, idempotencyKey: 'order-4', input: b },
    )
    expect(answers).toEqual([
      { outcome: 'accepted', id: first.id },
      { outcome: 'duplicate', id: first.id },
      { outcome: 'idempotency_conflict' },
      { outcome: 'accepted', id: sharing.id },
      { outcome: 'duplicate', id: sharing.id },
      { outcome: 'execution_conflict' },
    ])
    const later = store().aSolo({ idempotencyKey: 'order-4', input: b })
    expect(await submit(store().aSolo({ idempotencyKey: 'order-3', input: a }), later)).toEqual([
      { outcome: 'duplicate', id: sharing.id },
      { outcome: 'accepted', id: later.id },
    ])
  })

  it('compares long inputs of items of one call that share an id', async () => {
    const item = store().aSolo({ input: bytesOf('a'.repeat(5_000)) })
    const other = { ...item, input: bytesOf(`${'a'.repeat(4_999)}b`) }
    expect(await submit(item, { ...item }, other)).toEqual([
      { outcome: 'accepted', id: item.id },
      { outcome: 'duplicate', id: item.id },
      { outcome: 'execution_conflict' },
    ])
  })

  it('accepts the first of many that share ids, and differ in their keys', async () => {
    // What comes later has less to carry, and would be there first if it were not held back.
    const large = bytesOf('a'.repeat(30_000))
    for (let round = 0; round < 5; round++) {
      const items = Array.from({ length: 64 }, (_, n) =>
        store().aSolo({ idempotencyKey: `first-${round}-${n}`, input: large }),
      )
      const others = items.map((item, n) => ({
        ...item,
        idempotencyKey: `other-${round}-${n}`,
        input: bytesOf('b'),
      }))
      expect(await submit(...items, ...others)).toEqual([
        ...items.map(({ id }) => ({ outcome: 'accepted', id })),
        ...others.map(() => ({ outcome: 'execution_conflict' })),
      ])
    }
  })

  it('answers as many as a call may hold in their order, with and without keys', async () => {
    for (const more of [() => ({}), (n: number) => ({ idempotencyKey: `order-${n}` })]) {
      const items = Array.from({ length: limits.submitBatchMax }, (_, n) =>
        store().aSolo({ input: bytesOf(`${n}`), ...more(n) }),
      )
      const known = items.filter((_, n) => n % 7 === 3)
      await submit(...known)
      expect(await submit(...items)).toEqual(
        items.map(({ id }, n) => ({ outcome: n % 7 === 3 ? 'duplicate' : 'accepted', id })),
      )
    }
    expect(await countAll(store())).toBe(2 * limits.submitBatchMax)
  })

  it('scopes an idempotency key to its namespace', async () => {
    await submit(store().aSolo({ idempotencyKey: 'order-1', input: bytesOf('a') }))
    const foreign = store().aSolo({ idempotencyKey: 'order-1', input: bytesOf('b') })
    const answer = await store().backend.executions.submit({
      namespace: parseNamespace(`${store().namespace}-b`),
      items: [foreign],
    })
    expect(answer.items).toEqual([{ outcome: 'accepted', id: foreign.id }])
  })

  it('forgets an idempotency key after its time', async () => {
    const first = store().aSolo({ idempotencyKey: 'order-1', idempotencyTtlMs: 1_000 })
    const second = store().aSolo({ idempotencyKey: 'order-1', idempotencyTtlMs: 1_000 })
    await submit(first)
    await store().advance(1_000)
    expect(await submit(second)).toEqual([{ outcome: 'accepted', id: second.id }])
  })

  it('refuses new work of a draining or disabled lane, and still answers a repeat', async () => {
    const { backend, namespace } = store()
    const known = store().aSolo()
    await submit(known)
    const setState = (state: 'draining' | 'disabled' | 'paused') =>
      backend.lanes.setState({ namespace, lane: known.lane, state })
    for (const laneState of ['draining', 'disabled'] as const) {
      await setState(laneState)
      expect(await submit(store().aSolo(), known)).toEqual([
        { outcome: 'lane_not_accepting', lane: known.lane, laneState },
        { outcome: 'duplicate', id: known.id },
      ])
    }
    await setState('paused')
    expect((await submit(store().aSolo()))[0]?.outcome).toBe('accepted')
  })

  it('leaves the neighbours of a bad item unharmed', async () => {
    const [good, bad, alsoGood] = [store().aSolo(), store().aSolo({ priority: -1 }), store().aSolo()]
    const items = await submit(good, bad, alsoGood)
    expect(items[0]).toEqual({ outcome: 'accepted', id: good.id })
    expect(itemCodeOf(items[1])).toBe('invalid_priority')
    expect(items[2]).toEqual({ outcome: 'accepted', id: alsoGood.id })
    expect(await codeOf(readOne(store(), bad.id))).toBe('execution_not_found')
  })

  it('takes the second of two equal items of one call as the duplicate of the first', async () => {
    const solo = store().aSolo()
    expect(await submit(solo, solo)).toEqual([
      { outcome: 'accepted', id: solo.id },
      { outcome: 'duplicate', id: solo.id },
    ])
  })

  it('an id outside the configured count is refused at submit', async () => {
    const { namespace } = store()
    const id = mintSoloExecutionId({
      namespace,
      lane: 'solos',
      shards: 1,
      count: 65_535,
      partitioner: { partitionOf: () => 200 },
    })
    expect(itemCodeOf((await submit(store().aSolo({ id })))[0])).toBe('partition_out_of_range')
    expect(await countAll(store())).toBe(0)
  })

  it('refuses a lane more live routes than the limit', { timeout: 60_000 }, async () => {
    const lane = parseLaneId('crowded')
    const many = Array.from({ length: 1_000 }, (_, n) =>
      store().aSolo({ lane, kind: parseKind(`kind-${n}`) }),
    )
    const more = Array.from({ length: 25 }, (_, n) => store().aSolo({ lane, kind: parseKind(`more-${n}`) }))
    expect(new Set((await submit(...many)).map(({ outcome }) => outcome))).toEqual(new Set(['accepted']))
    const answers = await submit(...more)
    // Which one of a call comes last is the store's to say.
    const refused = answers.filter(({ outcome }) => outcome !== 'accepted')
    expect(refused).toEqual([{ outcome: 'too_many_routes', lane }])
    expect((await submit(store().aSolo({ lane, kind: parseKind('kind-0') })))[0]?.outcome).toBe('accepted')

    // What has ended needs no route, however long it is kept.
    const { backend, namespace } = store()
    await backend.executions.cancel({ namespace, id: must(many[1], 'an execution').id })
    const again = store().aSolo({ lane, kind: parseKind('another') })
    const isAccepted = async () => (await submit(again))[0]?.outcome === 'accepted'
    await vi.waitUntil(isAccepted, { timeout: 20_000, interval: 500 })
  })

  it.each<[string, object]>([
    ['invalid_execution_id', { id: 'nonsense' }],
    ['invalid_execution_id', { id: '{fp:01}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f' }],
    ['invalid_kind', { kind: '' }],
    ['invalid_kind', { kind: 'a b' }],
    ['invalid_lane_id', { lane: 'x'.repeat(129) }],
    ['invalid_priority', { priority: 9_001 }],
    ['invalid_priority', { priority: 1.5 }],
    ['invalid_policy', { retry: steadyRetry({ maxAttempts: 0 }) }],
    ['invalid_policy', { timeouts: { deadlineMs: 0 } }],
    ['invalid_capability', { capabilities: ['a,b'] }],
    ['invalid_capability', { capabilities: [''] }],
    ['too_many_capabilities', { capabilities: Array.from({ length: 257 }, (_, n) => `c${n}`) }],
    ['invalid_tag', { tags: { nodot: 'x' } }],
    ['invalid_tag', { tags: { 'ff.reserved': 'x' } }],
    ['tag_too_long', { tags: { 'a.b': 'x'.repeat(257) } }],
    ['too_many_tags', { tags: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`a.t${n}`, ''])) }],
    ['payload_too_large', { input: new Uint8Array(1_048_577) }],
    ['nul_in_text', { idempotencyKey: 'a\0b' }],
    ['invalid_params', { input: 'text' }],
    ['invalid_params', { startAtMs: 1, delayMs: 1 }],
    ['invalid_params', { delayMs: -1 }],
    ['limit_exceeded', { idempotencyKey: 'x'.repeat(513) }],
  ])('refuses an item with %s and stores nothing', async (code, fault) => {
    const items = await submit({ ...store().aSolo(), ...fault } as ExecutionSubmission)
    expect(itemCodeOf(items[0])).toBe(code)
    expect(await countAll(store())).toBe(0)
  })

  it('refuses a whole call that names no namespace or has too many items', async () => {
    const { executions } = store().backend
    expect(await codeOf(executions.submit({ namespace: 'no space' as never, items: [] }))).toBe(
      'invalid_namespace',
    )
    const items = Array.from({ length: 1_001 }, () => store().aSolo())
    expect(await codeOf(executions.submit({ namespace: store().namespace, items }))).toBe('batch_too_large')
    expect(await countAll(store())).toBe(0)
  })

  it('hands the worker what was submitted', async () => {
    const traceContext = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const id = await submitOne(store(), { input: bytesOf('in'), tags: { 'a.b': 'c' }, traceContext })
    const lease = await new WorkerDriver(store()).claimOne()
    expect(lease).toMatchObject({ executionId: id, input: bytesOf('in'), tags: { 'a.b': 'c' }, traceContext })
  })
})

async function countAll({ backend, namespace }: TestStore): Promise<number> {
  return (await backend.executions.count({ namespace })).count
}
