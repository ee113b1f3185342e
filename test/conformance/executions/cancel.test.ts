import { parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.cancel', () => {
  const store = useStore()
  const cancel = (id: string, graceMs?: number) =>
    store().backend.executions.cancel({ namespace: store().namespace, id: id as never, graceMs })

  it('ends what waits, with its cause', async () => {
    const id = await submitOne(store())
    const nowMs = await store().nowMs()
    expect(await cancel(id)).toEqual({ outcome: 'cancelled' })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'cancelled',
      state: {
        lifecyclePhase: 'terminal',
        ownershipState: 'unowned',
        eligibilityState: 'not_applicable',
        blockingReason: 'none',
        terminalOutcome: 'cancelled',
        attemptState: 'attempt_terminal',
      },
      cancelCause: 'operator',
      failure: null,
      terminalAtMs: nowMs,
    })
    expect(await new WorkerDriver(store()).claim()).toEqual([])
  })

  it.each([
    ['delayed', { delayMs: 60_000 }, false],
    ['held', {}, true],
  ])('ends what is %s, and nothing wakes it later', async (_, traits, isHeld) => {
    const id = await submitOne(store(), traits)
    const { backend, namespace } = store()
    if (isHeld) await backend.executions.hold({ namespace, id })
    expect(await cancel(id)).toEqual({ outcome: 'cancelled' })
    await store().pass(60_000)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'cancelled',
      held: false,
      notBeforeMs: null,
    })
  })

  it('takes the lease of what runs, and closes its attempt', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    expect(await cancel(id)).toEqual({ outcome: 'cancelled' })
    const { items } = await store().backend.attempts.list({ namespace: store().namespace, executionId: id })
    expect(items).toMatchObject([{ state: 'ended_cancelled', endedBy: 'cancel' }])
    const recorded = { endedBy: 'cancel', terminalOutcome: 'cancelled' }
    expect(await worker.complete(handle)).toEqual({ outcome: 'execution_not_active', recorded })
    expect(await worker.renew(handle)).toEqual({ outcome: 'execution_not_active', recorded })
  })

  it('closes the attempt of what is put aside', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    await worker.delay((await worker.claimOne()).handle, (await store().nowMs()) + 60_000)
    await cancel(id)
    const { items } = await store().backend.attempts.list({ namespace: store().namespace, executionId: id })
    expect(items).toMatchObject([{ state: 'ended_cancelled', endedBy: 'cancel' }])
  })

  it('with a grace asks what runs, and takes its result when it comes in time', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const graceEndsAtMs = (await store().nowMs()) + 5_000
    expect(await cancel(id, 5_000)).toEqual({ outcome: 'cancelling', graceEndsAtMs })
    expect(await worker.renew(handle)).toMatchObject({
      outcome: 'renewed',
      cancelRequested: { graceEndsAtMs, cause: 'operator' },
    })
    await store().pass(4_999)
    expect(await worker.complete(handle)).toEqual({ outcome: 'completed', late: false })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'completed',
      cancelCause: null,
      cancelRequested: null,
    })
  })

  it('with a grace revokes the lease when the grace is over', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await cancel(id, 5_000)
    await store().pass(5_000)
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'cancelled', cancelCause: 'operator' })
    expect(await worker.complete(handle)).toMatchObject({ outcome: 'execution_not_active' })
  })

  it('never extends a grace, may shorten it, and at last ends it at once', async () => {
    const id = await submitOne(store())
    await new WorkerDriver(store()).claimOne()
    const nowMs = await store().nowMs()
    await cancel(id, 5_000)
    expect(await cancel(id, 60_000)).toEqual({ outcome: 'cancelling', graceEndsAtMs: nowMs + 5_000 })
    expect(await cancel(id, 1_000)).toEqual({ outcome: 'cancelling', graceEndsAtMs: nowMs + 1_000 })
    expect(await cancel(id)).toEqual({ outcome: 'cancelled' })
  })

  it.each(['fail', 'delay', 'yield', 'expiry', 'revoke'] as const)(
    'with a grace ends the execution when %s would make it runnable again',
    async (way) => {
      const id = await submitOne(store())
      const { backend, namespace } = store()
      const worker = new WorkerDriver(store())
      const { handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
      await cancel(id, 60_000)
      const nowMs = await store().nowMs()
      if (way === 'fail') expect(await worker.fail(handle)).toEqual({ outcome: 'cancelled', late: false })
      if (way === 'delay') expect(await worker.delay(handle, nowMs + 1_000)).toEqual({ outcome: 'cancelled' })
      if (way === 'yield') expect(await worker.yield(handle)).toEqual({ outcome: 'cancelled' })
      if (way === 'expiry') await store().pass(1_000)
      if (way === 'revoke') {
        expect(await backend.leases.revoke({ namespace, id })).toEqual({
          outcome: 'revoked',
          next: 'cancelled',
        })
      }
      expect(await readOne(store(), id)).toMatchObject({ publicState: 'cancelled', cancelCause: 'operator' })
      await store().pass(60_000)
      expect((await readOne(store(), id)).publicState).toBe('cancelled')
    },
  )

  it('does not give a grace to what does not run', async () => {
    const id = await submitOne(store())
    expect(await cancel(id, 5_000)).toEqual({ outcome: 'cancelled' })
  })

  it('is refused for what has ended, with its outcome', async () => {
    const solo = store().aSolo()
    await store().backend.executions.submit({ namespace: store().namespace, items: [solo] })
    await store().end(solo)
    expect(await cancel(solo.id)).toEqual({ outcome: 'execution_terminal', terminalOutcome: 'success' })
    const other = await submitOne(store())
    await cancel(other)
    expect(await cancel(other)).toEqual({ outcome: 'execution_terminal', terminalOutcome: 'cancelled' })
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const id = await submitOne(store())
    expect(await codeOf(cancel(store().aSolo().id))).toBe('execution_not_found')
    const foreign = store().backend.executions.cancel({ namespace: parseNamespace('foreign'), id })
    expect(await codeOf(foreign)).toBe('execution_not_found')
    expect(await codeOf(cancel('x'))).toBe('invalid_execution_id')
    expect(await codeOf(cancel(id, -1))).toBe('invalid_params')
    expect(await codeOf(cancel(id, 300_001))).toBe('limit_exceeded')
    expect((await readOne(store(), id)).publicState).toBe('waiting')
  })
})
