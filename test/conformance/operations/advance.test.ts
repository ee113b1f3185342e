import { limits, makePartitionTag, type PublicState, parseKind, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { OperationDriver, readAll, statesOf, submitSolos } from '../../support/operation-driver.js'
import { useStore } from '../../support/use-store.js'

const lane = parseLaneId('bulk')
const failed: readonly PublicState[] = ['failed', 'cancelled']

describe('operations.advance', () => {
  const store = useStore()

  const cancelAll = async (ids: Awaited<ReturnType<typeof submitSolos>>) => {
    const { backend, namespace } = store()
    for (const id of ids) await backend.executions.cancel({ namespace, id })
  }

  it('cancels what matches, in any state that is no end, and nothing else', async () => {
    const matching = await submitSolos(store(), 5, { lane, tags: { 'job.run': '7' } })
    const later = await submitSolos(store(), 1, { lane, tags: { 'job.run': '7' }, delayMs: 60_000 })
    const others = await submitSolos(store(), 2, { lane, tags: { 'job.run': '8' } })
    const operation = await OperationDriver.begin(store(), {
      kind: 'cancel',
      filter: { lane, tags: { 'job.run': '7' } },
    })
    expect(await operation.advance()).toEqual({
      outcome: 'completed',
      operationId: operation.id,
      done: 6,
      unchanged: 0,
      failed: 0,
    })
    expect(await operation.read()).toMatchObject({
      state: 'completed',
      total: 6,
      done: 6,
      unchanged: 0,
      failed: 0,
      endedAtMs: await store().nowMs(),
    })
    await store().settle()
    const cancelled = await readAll(store(), [...matching, ...later])
    for (const { publicState, cancelCause } of cancelled) {
      expect([publicState, cancelCause]).toEqual(['cancelled', 'operator'])
    }
    expect(await statesOf(store(), others)).toEqual(['waiting', 'waiting'])
    expect(await operation.advance()).toBeUndefined()
  })

  it('cancels what runs too, whose holder is told by its next call', async () => {
    const solo = store().aSolo({ lane })
    const { backend, namespace } = store()
    await backend.executions.submit({ namespace, items: [solo] })
    const operation = await OperationDriver.begin(store(), { kind: 'cancel', filter: { states: ['active'] } })
    expect(await operation.run()).toMatchObject({ done: 0, total: 0 })
    const other = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    expect(await other.run()).toMatchObject({ done: 1, total: 1 })
  })

  it('works in batches, whose progress shows, and stops where it is asked to', async () => {
    const ids = await submitSolos(store(), 7, { lane })
    const operation = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    expect(await operation.advance(3)).toMatchObject({ outcome: 'advanced', done: 3 })
    expect(await operation.read()).toMatchObject({ state: 'running', total: 7, done: 3 })
    expect((await statesOf(store(), ids)).filter((state) => state === 'cancelled')).toHaveLength(3)
    expect(await operation.advance(3)).toMatchObject({ outcome: 'advanced', done: 3 })
    expect(await operation.run(3)).toMatchObject({ state: 'completed', total: 7, done: 7 })
  })

  it('leaves alone what was accepted after it began', async () => {
    const before = await submitSolos(store(), 3, { lane })
    const operation = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    await store().advance(1)
    const after = await submitSolos(store(), 3, { lane })
    expect(await operation.run(2)).toMatchObject({ done: 3 })
    expect(await statesOf(store(), before)).toEqual(Array(3).fill('cancelled'))
    expect(await statesOf(store(), after)).toEqual(Array(3).fill('waiting'))
  })

  it('does it to what matches when its turn comes: what ended or was changed before is passed over', async () => {
    const { backend, namespace } = store()
    const ids = await submitSolos(store(), 4, { lane, tags: { 'job.run': '7' } })
    const [one, two] = ids
    const operation = await OperationDriver.begin(store(), {
      kind: 'cancel',
      filter: { tags: { 'job.run': '7' } },
    })
    await backend.executions.setTags({ namespace, id: one as never, remove: ['job.run'] })
    await backend.executions.cancel({ namespace, id: two as never })
    expect(await operation.run()).toMatchObject({ done: 2, unchanged: 0, failed: 0, total: 2 })
    expect((await statesOf(store(), ids)).filter((state) => state === 'waiting')).toHaveLength(1)
  })

  it('replays what had ended so when it began, once, and not what ended since', async () => {
    const ended = await submitSolos(store(), 3, { lane })
    const running = await submitSolos(store(), 1, { lane })
    await cancelAll(ended)
    const operation = await OperationDriver.begin(store(), {
      kind: 'replay',
      filter: { lane, states: failed },
    })
    await store().advance(1)
    await cancelAll(running)
    expect(await operation.advance(1)).toMatchObject({ outcome: 'advanced', done: 1 })
    // It ends again meanwhile.
    const [again] = (await readAll(store(), ended)).filter(({ generation }) => generation === 2)
    await cancelAll([again?.id as never])
    expect(await operation.run(1)).toMatchObject({ done: 3, unchanged: 0, failed: 0 })
    const executions = await readAll(store(), ended)
    expect(executions.map(({ generation }) => generation)).toEqual([2, 2, 2])
    expect(executions.map(({ replayCount }) => replayCount)).toEqual([1, 1, 1])
    expect(await statesOf(store(), running)).toEqual(['cancelled'])
  })

  it('replays only the states that are named', async () => {
    const completed = store().aSolo({ lane })
    const { backend, namespace } = store()
    await backend.executions.submit({ namespace, items: [completed] })
    await store().end(completed)
    const cancelled = await submitSolos(store(), 2, { lane })
    await cancelAll(cancelled)
    const operation = await OperationDriver.begin(store(), {
      kind: 'replay',
      filter: { lane, states: ['cancelled'] },
    })
    expect(await operation.run()).toMatchObject({ total: 2, done: 2 })
    expect(await statesOf(store(), [completed.id])).toEqual(['completed'])
    const all = await OperationDriver.begin(store(), {
      kind: 'replay',
      filter: { lane, states: ['completed'] },
    })
    expect(await all.run()).toMatchObject({ total: 1, done: 1 })
  })

  it('cancels members of flows, and replays them with what follows from them', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] }, c: { after: ['a'] } })
    const { flowId } = flow
    const cancel = await OperationDriver.begin(store(), { kind: 'cancel', filter: { flowId } })
    const { done, unchanged, total } = await cancel.run()
    expect([done + unchanged, total]).toEqual([3, 3])
    const members = ['a', 'b', 'c'].map((name) => flow.id(name))
    for (const state of await statesOf(store(), members)) expect(['cancelled', 'skipped']).toContain(state)
    const ends: readonly PublicState[] = ['cancelled', 'skipped']
    const replay = await OperationDriver.begin(store(), { kind: 'replay', filter: { flowId, states: ends } })
    expect(await replay.run()).toMatchObject({ total: 3, done: 3, failed: 0 })
    expect(await statesOf(store(), members)).toEqual(['waiting', 'waiting_children', 'waiting_children'])
    expect((await readAll(store(), members)).map(({ generation }) => generation)).toEqual([2, 2, 2])
  })

  it('tells what it could not do, and goes on with the rest', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    const { backend, namespace } = store()
    await backend.executions.setTags({ namespace, id: flow.id('a'), set: { 'job.run': '7' } })
    await backend.executions.cancel({ namespace, id: flow.id('a') })
    await backend.flows.cancel({ namespace, flowId: flow.flowId, policy: 'flow_only' })
    await store().settle()
    const solos = await submitSolos(store(), 2, { lane, tags: { 'job.run': '7' } })
    await cancelAll(solos)
    const operation = await OperationDriver.begin(store(), {
      kind: 'replay',
      filter: { tags: { 'job.run': '7' }, states: failed },
    })
    const ended = await operation.run()
    const { state } = (await backend.flows.get({ namespace, flowId: flow.flowId })).flow
    if (state === 'cancelled') {
      expect(ended).toMatchObject({
        done: 2,
        failed: 1,
        failures: [{ executionId: flow.id('a'), code: 'flow_not_open' }],
      })
    } else expect(ended).toMatchObject({ done: 3 })
  })

  it('keeps to its namespace', async () => {
    const { backend, namespace } = store()
    const ids = await submitSolos(store(), 2, { lane })
    const foreign = { ...store(), namespace: `${namespace}-x` as typeof namespace }
    const operation = await OperationDriver.begin(foreign, { kind: 'cancel', filter: { lane } })
    expect(await operation.run()).toMatchObject({ total: 0, done: 0 })
    expect(await statesOf(store(), ids)).toEqual(['waiting', 'waiting'])
    expect(await codeOf(backend.operations.get({ ...operation.name, namespace }))).toBe('operation_not_found')
  })

  it('keeps to the times of its filter', async () => {
    const early = await submitSolos(store(), 1, { lane })
    await store().advance(10)
    const nowMs = await store().nowMs()
    const middle = await submitSolos(store(), 1, { lane, kind: parseKind('other') })
    await store().advance(10)
    const late = await submitSolos(store(), 1, { lane })
    const operation = await OperationDriver.begin(store(), {
      kind: 'cancel',
      filter: { createdFromMs: nowMs, createdBeforeMs: nowMs + 1, kind: parseKind('other') },
    })
    expect(await operation.run()).toMatchObject({ total: 1, done: 1 })
    expect(await statesOf(store(), [...early, ...middle, ...late])).toEqual([
      'waiting',
      'cancelled',
      'waiting',
    ])
  })

  it('works on several at once, and tells when the next is due', async () => {
    const ids = await submitSolos(store(), 6, { lane })
    const one = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    const two = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    await one.run(2)
    await two.run(2)
    const [a, b] = [await one.read(), await two.read()]
    expect(a.done + b.done + a.unchanged + b.unchanged).toBeGreaterThanOrEqual(6)
    expect(await statesOf(store(), ids)).toEqual(Array(6).fill('cancelled'))
  })

  it('is found by the pulse while it runs, and not afterwards', async () => {
    const { backend } = store()
    const operation = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    const pending = async () => {
      const { partitions } = await backend.maintenance.pulse({ partitions: [operation.partition] })
      return partitions[0]?.pending.includes('operations')
    }
    expect(await pending()).toBe(true)
    await operation.run()
    expect(await pending()).toBe(false)
  })

  it('removes what ended long ago', async () => {
    const { backend } = store()
    const operation = await OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })
    await operation.run()
    await store().pass(limits.operationRetentionMs - 1)
    await operation.advance()
    expect((await operation.read()).state).toBe('completed')
    await store().pass(1)
    // Those of the tests before are due too.
    let item = await operation.advance()
    for (let pass = 0; item === undefined && pass < 20; pass += 1) item = await operation.advance()
    expect(item).toMatchObject({ outcome: 'removed' })
    expect(await codeOf(backend.operations.get(operation.name))).toBe('operation_not_found')
  })

  it('refuses partitions of other families, and what is no batch', async () => {
    const { operations } = store().backend
    const quota = makePartitionTag('quota', 0)
    expect(await codeOf(operations.advance({ partition: makePartitionTag('flow', 0), max: 1 }))).toBe(
      'partition_tag_unknown_family',
    )
    expect(await codeOf(operations.advance({ partition: makePartitionTag('quota', 99), max: 1 }))).toBe(
      'partition_out_of_range',
    )
    expect(await codeOf(operations.advance({ partition: quota, max: 0 }))).toBe('invalid_params')
  })
})
