import { type ExecutionId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.hold and executions.release', () => {
  const store = useStore()
  const hold = (id: ExecutionId) => store().backend.executions.hold({ namespace: store().namespace, id })
  const release = (id: ExecutionId) =>
    store().backend.executions.release({ namespace: store().namespace, id })

  it('blocks what waits until it is released, keeping its place', async () => {
    const id = await submitOne(store())
    const { readyAtMs } = await readOne(store(), id)
    await store().advance(1_000)
    const later = await submitOne(store())
    expect(await hold(id)).toEqual({ outcome: 'held' })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      held: true,
      state: { eligibilityState: 'blocked_by_operator', blockingReason: 'paused_by_operator' },
    })
    const worker = new WorkerDriver(store())
    expect((await worker.claimOne({ max: 1 })).executionId).toBe(later)
    expect(await worker.claim()).toEqual([])
    expect(await release(id)).toEqual({ outcome: 'released' })
    expect(await readOne(store(), id)).toMatchObject({ held: false, readyAtMs })
    expect((await worker.claimOne()).executionId).toBe(id)
  })

  it('says so when it changes nothing', async () => {
    const id = await submitOne(store())
    expect(await release(id)).toEqual({ outcome: 'not_held' })
    await hold(id)
    expect(await hold(id)).toEqual({ outcome: 'already_held' })
  })

  it('only adds to a delay: neither lifts the other', async () => {
    const early = await submitOne(store(), { delayMs: 1_000 })
    const late = await submitOne(store(), { delayMs: 1_000 })
    await hold(early)
    await hold(late)
    expect((await readOne(store(), early)).state.eligibilityState).toBe('blocked_by_operator')
    await release(early)
    expect((await readOne(store(), early)).publicState).toBe('delayed')
    await store().pass(1_000)
    expect((await readOne(store(), early)).publicState).toBe('waiting')
    expect((await readOne(store(), late)).state.eligibilityState).toBe('blocked_by_operator')
    await release(late)
    expect(await readOne(store(), late)).toMatchObject({
      state: { eligibilityState: 'eligible_now' },
      notBeforeMs: null,
    })
  })

  it('starts the deadline only when nothing holds it any more', async () => {
    const id = await submitOne(store(), { delayMs: 1_000, timeouts: { deadlineMs: 5_000 } })
    await hold(id)
    await store().pass(60_000)
    expect(await readOne(store(), id)).toMatchObject({ firstEligibleAtMs: null, deadlineAtMs: null })
    const nowMs = await store().nowMs()
    await release(id)
    expect(await readOne(store(), id)).toMatchObject({
      firstEligibleAtMs: nowMs,
      deadlineAtMs: nowMs + 5_000,
    })
  })

  it('does not stop a deadline that runs already', async () => {
    const id = await submitOne(store(), { timeouts: { deadlineMs: 5_000 } })
    await hold(id)
    await store().pass(5_000)
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'expired', held: false })
  })

  it('keeps an attempt that was put aside, which goes on after the release', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.delay((await worker.claimOne()).handle, (await store().nowMs()) + 1_000)
    await hold(id)
    await store().pass(1_000)
    expect(await worker.claim()).toEqual([])
    await release(id)
    expect((await readOne(store(), id)).publicState).toBe('resumable')
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 0, attemptType: 'initial' })
  })

  it('does not free a member whose upstreams have not ended', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await hold(flow.id('b'))
    expect((await flow.execution('b')).state.eligibilityState).toBe('blocked_by_dependencies')
    await flow.end('a', 'success')
    await flow.settle()
    expect((await flow.execution('b')).state.eligibilityState).toBe('blocked_by_operator')
    await release(flow.id('b'))
    await flow.start('b')
  })

  it('sets no timer for a member of a draft', async () => {
    const { backend, namespace } = store()
    const flow = new FlowDriver(store())
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend({ a: { delayMs: 1_000 } })
    await hold(flow.id('a'))
    await release(flow.id('a'))
    await store().advance(2_000)
    const { partitions } = await backend.maintenance.pulse({ partitions: store().partitions })
    expect(partitions.flatMap(({ pending }) => pending)).not.toContain('timers')
    await backend.flows.seal({ namespace, flowId: flow.flowId })
    await flow.settle()
    expect(await flow.state('a')).toBe('waiting')
  })

  it('is refused while the execution runs', async () => {
    const id = await submitOne(store())
    await new WorkerDriver(store()).claimOne()
    expect(await hold(id)).toEqual({ outcome: 'execution_active' })
    expect(await release(id)).toEqual({ outcome: 'not_held' })
    expect((await readOne(store(), id)).held).toBe(false)
  })

  it('is refused for what has ended', async () => {
    const id = await submitOne(store())
    await hold(id)
    await store().backend.executions.cancel({ namespace: store().namespace, id })
    const ended = { outcome: 'execution_terminal', terminalOutcome: 'cancelled' }
    expect(await hold(id)).toEqual(ended)
    expect(await release(id)).toEqual(ended)
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const id = await submitOne(store())
    const { executions } = store().backend
    const unknown = store().aSolo().id
    expect(await codeOf(hold(unknown))).toBe('execution_not_found')
    expect(await codeOf(release(unknown))).toBe('execution_not_found')
    const foreign = parseNamespace('foreign')
    expect(await codeOf(executions.hold({ namespace: foreign, id }))).toBe('execution_not_found')
    expect(await codeOf(executions.release({ namespace: foreign, id }))).toBe('execution_not_found')
    const reason = 'x'.repeat(513)
    expect(await codeOf(executions.hold({ namespace: store().namespace, id, reason }))).toBe('limit_exceeded')
    expect((await readOne(store(), id)).held).toBe(false)
  })
})
