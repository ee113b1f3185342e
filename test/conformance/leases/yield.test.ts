import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('leases.yield', () => {
  const store = useStore()

  it('takes the attempt back and keeps place and age; only the epoch stays raised', async () => {
    const id = await submitOne(store())
    const before = await readOne(store(), id)
    await store().advance(1_000)
    const later = await submitOne(store())
    const worker = new WorkerDriver(store())
    const lease = await worker.claimOne({ max: 1 })
    expect(lease.executionId).toBe(id)
    expect(await worker.yield(lease.handle)).toEqual({ outcome: 'yielded' })
    expect(await readOne(store(), id)).toEqual({ ...before, epoch: 1 })
    const { items } = await store().backend.attempts.list({ namespace: store().namespace, executionId: id })
    expect(items).toEqual([])
    const again = await worker.claim()
    expect(again.map(({ executionId }) => executionId)).toEqual([id, later])
    expect(again[0]).toMatchObject({ attemptIndex: 0, attemptType: 'initial' })
  })

  it.each(['retry', 'reclaim', 'replay'] as const)('makes the next claim a %s again', async (attemptType) => {
    const { backend, namespace } = store()
    const id = await submitOne(store(), { retry: steadyRetry() })
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne({ leaseTtlMs: 1_000 })
    if (attemptType === 'retry') await worker.fail(first.handle, { retry: { afterMs: 0 } })
    if (attemptType === 'reclaim') await store().pass(1_000)
    if (attemptType === 'replay') {
      await worker.complete(first.handle)
      await backend.executions.replay({ namespace, id })
    }
    const { retryCount, readyAtMs } = await readOne(store(), id)
    const second = await worker.claimOne()
    expect(second.attemptType).toBe(attemptType)
    await worker.yield(second.handle)
    expect(await readOne(store(), id)).toMatchObject({ attemptCount: 1, retryCount, readyAtMs })
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 1, attemptType })
  })

  it('answers a repeat as at first, until the next claim', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.yield(handle)
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
    expect(await worker.complete(handle)).toEqual({ outcome: 'stale_lease' })
    const next = await worker.claimOne()
    expect(await worker.yield(handle)).toEqual({ outcome: 'stale_lease' })
    expect((await worker.complete(next.handle)).outcome).toBe('completed')
  })

  it('answers a repeat as at first, also when it was cancelled and replayed since', async () => {
    const { backend, namespace } = store()
    const worker = new WorkerDriver(store())
    const id = await submitOne(store())
    const { handle } = await worker.claimOne()
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
    await backend.executions.cancel({ namespace, id })
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
    await backend.executions.replay({ namespace, id })
    expect(await worker.yield(handle)).toEqual({ outcome: 'yielded' })
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.start('a')
    const { handle: member } = flow.lease('a')
    expect(await worker.yield(member)).toEqual({ outcome: 'yielded' })
    await flow.cancelMember('a')
    await flow.settle()
    expect((await flow.replay(['a'])).outcome).toBe('replayed')
    await flow.settle()
    expect(await worker.yield(member)).toEqual({ outcome: 'yielded' })
    await flow.start('a')
    expect((await worker.yield(member)).outcome).toBe('stale_lease')
  })

  it('does not bring a queue time-to-live back', async () => {
    const id = await submitOne(store(), { timeouts: { queueTtlMs: 1_000 } })
    const worker = new WorkerDriver(store())
    await worker.yield((await worker.claimOne()).handle)
    await store().pass(5_000)
    expect((await readOne(store(), id)).publicState).toBe('waiting')
  })

  it('is refused once the attempt recorded progress or a step, or went on from a delay', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const progressed = await worker.claimOne()
    await worker.progress(progressed.handle)
    expect(await worker.yield(progressed.handle)).toEqual({ outcome: 'attempt_has_effects' })
    await worker.fail(progressed.handle, { retry: { afterMs: 0 } })

    const stepped = await worker.claimOne()
    await worker.step(stepped.handle, 'paid')
    expect(await worker.yield(stepped.handle)).toEqual({ outcome: 'attempt_has_effects' })
    await worker.fail(stepped.handle, { retry: { afterMs: 0 } })

    // What an earlier attempt recorded is no effect of this one.
    const again = await worker.claimOne()
    expect((await worker.step(again.handle, 'paid')).outcome).toBe('already_recorded')
    expect((await worker.step(again.handle, 'paid', null, 'sleep')).outcome).toBe('journal_mismatch')
    expect(await worker.yield(again.handle)).toEqual({ outcome: 'yielded' })

    const delayed = await worker.claimOne()
    await worker.delay(delayed.handle, 0)
    const resumed = await worker.claimOne()
    expect(await worker.yield(resumed.handle)).toEqual({ outcome: 'attempt_has_effects' })
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'active', attemptCount: 3 })
  })

  it('leaves the neighbours of a bad item unharmed, and refuses a batch that is too long', async () => {
    const { backend, namespace } = store()
    await submitOne(store())
    const { handle } = await new WorkerDriver(store()).claimOne()
    const answer = await backend.leases.yield({
      namespaces: [namespace],
      items: [{ handle: 'x' }, { handle }],
    })
    expect(itemCodeOf(answer.items[0] as never)).toBe('invalid_handle')
    expect(answer.items[1]).toEqual({ outcome: 'yielded' })
    const items = Array.from({ length: 1_001 }, () => ({ handle }))
    expect(await codeOf(backend.leases.yield({ namespaces: [namespace], items }))).toBe('batch_too_large')
  })
})
