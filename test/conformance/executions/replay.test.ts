import { type ExecutionId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.replay', () => {
  const store = useStore()
  const replay = (id: ExecutionId, input?: Uint8Array | null) =>
    store().backend.executions.replay({ namespace: store().namespace, id, input })

  it('runs what failed again as its next generation, with counts and deadlines afresh', async () => {
    const id = await submitOne(store(), {
      retry: steadyRetry({ maxAttempts: 1 }),
      timeouts: { deadlineMs: 60_000 },
    })
    const worker = new WorkerDriver(store())
    await worker.fail((await worker.claimOne()).handle)
    await store().advance(30_000)
    const nowMs = await store().nowMs()
    expect(await replay(id)).toEqual({ outcome: 'replayed', generation: 2 })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      state: { attemptState: 'pending_replay_attempt', terminalOutcome: 'none' },
      generation: 2,
      attemptCount: 1,
      retryCount: 0,
      replayCount: 1,
      failure: null,
      terminalAtMs: null,
      firstEligibleAtMs: nowMs,
      readyAtMs: nowMs,
      deadlineAtMs: nowMs + 60_000,
    })
    const lease = await worker.claimOne()
    expect(lease).toMatchObject({ attemptIndex: 1, attemptType: 'replay', generation: 2 })
    expect(await worker.complete(lease.handle, 'out')).toEqual({ outcome: 'completed', late: false })
    expect((await readOne(store(), id)).publicState).toBe('completed')
  })

  it('runs what was cancelled before its first attempt as a first attempt', async () => {
    const id = await submitOne(store())
    await store().backend.executions.cancel({ namespace: store().namespace, id })
    await replay(id)
    expect(await readOne(store(), id)).toMatchObject({ cancelCause: null, attemptCount: 0 })
    expect(await new WorkerDriver(store()).claimOne()).toMatchObject({
      attemptIndex: 0,
      attemptType: 'initial',
    })
  })

  it('keeps the journal, unless it is given a new input', async () => {
    const id = await submitOne(store(), { input: bytesOf('old') })
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    await worker.step(first.handle, 'paid', 'receipt')
    await worker.complete(first.handle)
    await replay(id)
    const second = await worker.claimOne()
    expect(second.input).toEqual(bytesOf('old'))
    expect(second.steps.map(({ name }) => name)).toEqual(['paid'])
    await worker.complete(second.handle)
    await replay(id, bytesOf('new'))
    const third = await worker.claimOne()
    expect(third).toMatchObject({ input: bytesOf('new'), steps: [] })
    await worker.complete(third.handle)
    await replay(id, null)
    expect((await worker.claimOne()).input).toBeNull()
  })

  it('does not wait for a start time again', async () => {
    const id = await submitOne(store(), { delayMs: 60_000 })
    await store().backend.executions.cancel({ namespace: store().namespace, id })
    await replay(id)
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'waiting', notBeforeMs: null })
  })

  it("leaves the former generation's holder stale", async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    await worker.complete(first.handle, 'first')
    await replay(id)
    expect(await worker.complete(first.handle, 'again')).toEqual({ outcome: 'completed', late: false })
    expect(await worker.renew(first.handle)).toMatchObject({ outcome: 'execution_not_active' })
    const second = await worker.claimOne()
    await worker.complete(second.handle, 'second')
    const { items } = await store().backend.executions.getResult({ namespace: store().namespace, ids: [id] })
    expect(items).toEqual([{ outcome: 'success', id, result: bytesOf('second') }])
  })

  it('writes one terminal event for each generation', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.complete((await worker.claimOne()).handle)
    await replay(id)
    await worker.fail((await worker.claimOne()).handle, { retry: 'never' })
    for (const partition of store().partitions) {
      await store().backend.maintenance.upkeep({ partition, max: 500 })
    }
    const events = await store().eventsOf(id)
    expect(events.map(({ publicState, generation }) => [publicState, generation])).toEqual([
      ['completed', 1],
      ['failed', 2],
    ])
  })

  it('replays a member of a flow with its descendants', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.end('a', 'success')
    await flow.settle()
    await flow.end('b', 'success')
    await flow.settle()
    expect(await replay(flow.id('a'))).toEqual({ outcome: 'replayed', generation: 2 })
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'waiting', b: 'waiting_children' })
    expect((await flow.flow()).state).toBe('open')
  })

  it('is refused while the execution waits, runs or is delayed', async () => {
    const id = await submitOne(store())
    expect(await replay(id)).toEqual({ outcome: 'replay_conflict', ids: [id] })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    expect(await replay(id)).toEqual({ outcome: 'replay_conflict', ids: [id] })
    await worker.delay(handle, (await store().nowMs()) + 1_000)
    expect(await replay(id)).toEqual({ outcome: 'replay_conflict', ids: [id] })
    expect((await readOne(store(), id)).generation).toBe(1)
  })

  it('is refused after ten replays', async () => {
    const id = await submitOne(store())
    const { backend, namespace } = store()
    for (let n = 0; n < 10; n += 1) {
      await backend.executions.cancel({ namespace, id })
      expect((await replay(id)).outcome).toBe('replayed')
    }
    await backend.executions.cancel({ namespace, id })
    expect(await replay(id)).toEqual({ outcome: 'max_replays_exceeded', ids: [id] })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'cancelled',
      generation: 11,
      replayCount: 10,
    })
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const id = await submitOne(store())
    await store().backend.executions.cancel({ namespace: store().namespace, id })
    expect(await codeOf(replay(store().aSolo().id))).toBe('execution_not_found')
    const foreign = store().backend.executions.replay({ namespace: parseNamespace('foreign'), id })
    expect(await codeOf(foreign)).toBe('execution_not_found')
    expect(await codeOf(replay(id, new Uint8Array(1_048_577)))).toBe('payload_too_large')
    expect((await readOne(store(), id)).publicState).toBe('cancelled')
  })
})
