import { parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('leases.delay', () => {
  const store = useStore()

  it('gives the lease back, and the same attempt goes on in any worker when the time has come', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const untilMs = (await store().nowMs()) + 5_000
    expect(await worker.delay(handle, untilMs)).toEqual({ outcome: 'delayed', untilMs })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'delayed',
      state: {
        lifecyclePhase: 'runnable',
        ownershipState: 'unowned',
        eligibilityState: 'not_eligible_until_time',
        blockingReason: 'waiting_for_delay',
        attemptState: 'attempt_interrupted',
      },
      notBeforeMs: untilMs,
      lease: null,
    })
    const { items } = await backend.attempts.list({ namespace, executionId: id })
    expect(items).toMatchObject([{ index: 0, state: 'suspended', endedAtMs: null, endedBy: null }])
    await store().pass(5_000)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'resumable',
      state: { attemptState: 'pending_resume' },
      readyAtMs: untilMs,
    })
    const next = await new WorkerDriver(store()).claimOne()
    expect(next).toMatchObject({ executionId: id, attemptIndex: 0, attemptType: 'initial' })
    expect(await readOne(store(), id)).toMatchObject({ epoch: 2, attemptCount: 1, retryCount: 1 })
    expect((await worker.complete(next.handle)).outcome).toBe('completed')
  })

  it('resumes at once when the time is not in the future', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const untilMs = (await store().nowMs()) - 1
    expect(await worker.delay((await worker.claimOne()).handle, untilMs)).toEqual({
      outcome: 'delayed',
      untilMs,
    })
    expect((await readOne(store(), id)).publicState).toBe('resumable')
    expect((await worker.claimOne()).attemptIndex).toBe(0)
  })

  it('takes what the attempt used already off its timeout', async () => {
    await submitOne(store(), { timeouts: { attemptTimeoutMs: 10_000 } })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await store().advance(4_000)
    await worker.delay(handle, (await store().nowMs()) + 60_000)
    await store().pass(60_000)
    const second = await worker.claimOne()
    const resumedAtMs = await store().nowMs()
    expect(second.attemptDeadlineAtMs).toBe(resumedAtMs + 6_000)
    await store().advance(1_000)
    await worker.delay(second.handle, (await store().nowMs()) + 1_000)
    await store().pass(1_000)
    expect((await worker.claimOne()).attemptDeadlineAtMs).toBe((await store().nowMs()) + 5_000)
  })

  it('frees the slot of a capped lane', async () => {
    const { backend, namespace } = store()
    await backend.lanes.configure({ namespace, lane: parseLaneId('solos'), settings: { concurrency: 1 } })
    await submitOne(store())
    const second = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.delay((await worker.claimOne()).handle, (await store().nowMs()) + 60_000)
    expect((await worker.claimOne()).executionId).toBe(second)
  })

  it('keeps the journal', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.step(handle, 'before', 'x')
    await worker.delay(handle, (await store().nowMs()) + 1)
    await store().pass(1)
    expect((await worker.claimOne()).steps.map(({ name }) => name)).toEqual(['before'])
  })

  it('answers a repeat as at first, until the attempt goes on', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const untilMs = (await store().nowMs()) + 1_000
    await worker.delay(handle, untilMs)
    expect(await worker.delay(handle, untilMs + 60_000)).toEqual({ outcome: 'delayed', untilMs })
    expect(await worker.complete(handle)).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'none' },
    })
    await store().pass(1_000)
    await worker.claimOne()
    expect(await worker.delay(handle, untilMs)).toEqual({ outcome: 'stale_lease' })
  })

  it('still ends at the deadline', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store(), { timeouts: { deadlineMs: 2_000 } })
    const worker = new WorkerDriver(store())
    await worker.delay((await worker.claimOne()).handle, (await store().nowMs()) + 60_000)
    await store().pass(2_000)
    expect((await readOne(store(), id)).publicState).toBe('expired')
    const { items } = await backend.attempts.list({ namespace, executionId: id })
    expect(items).toMatchObject([{ state: 'ended_cancelled', endedBy: 'deadline' }])
  })

  it('leaves the neighbours of a bad item unharmed, and refuses a batch that is too long', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const { handle } = await new WorkerDriver(store()).claimOne()
    const untilMs = (await store().nowMs()) + 1_000
    const answer = await backend.leases.delay({
      namespaces: [namespace],
      items: [
        { handle, untilMs: -1 },
        { handle: '', untilMs },
        { handle, untilMs },
      ],
    })
    expect(itemCodeOf(answer.items[0] as never)).toBe('invalid_params')
    expect(itemCodeOf(answer.items[1] as never)).toBe('invalid_handle')
    expect(answer.items[2]).toEqual({ outcome: 'delayed', untilMs })
    expect((await readOne(store(), id)).publicState).toBe('delayed')
    const items = Array.from({ length: 1_001 }, () => ({ handle, untilMs }))
    expect(await codeOf(backend.leases.delay({ namespaces: [namespace], items }))).toBe('batch_too_large')
  })
})
