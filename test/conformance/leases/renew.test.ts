import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('leases.renew', () => {
  const store = useStore()

  it('extends a lease from now on', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne({ leaseTtlMs: 10_000 })
    await store().advance(6_000)
    const expiresAtMs = (await store().nowMs()) + 10_000
    expect(await worker.renew(handle, 10_000)).toEqual({
      outcome: 'renewed',
      expiresAtMs,
      cancelRequested: null,
    })
    expect((await readOne(store(), id)).lease?.expiresAtMs).toBe(expiresAtMs)
    await store().pass(9_999)
    expect((await readOne(store(), id)).publicState).toBe('active')
    await store().pass(1)
    expect((await readOne(store(), id)).state.ownershipState).toBe('lease_expired_reclaimable')
  })

  it('never shortens one', async () => {
    await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle, leaseExpiresAtMs } = await worker.claimOne({ leaseTtlMs: 60_000 })
    expect(await worker.renew(handle, 1_000)).toMatchObject({
      outcome: 'renewed',
      expiresAtMs: leaseExpiresAtMs,
    })
  })

  it('is accepted after the time is over, as long as nobody reaped it', async () => {
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
    await store().advance(5_000)
    expect((await worker.renew(handle, 1_000)).outcome).toBe('renewed')
    await store().settle()
    expect((await readOne(store(), id)).publicState).toBe('active')
  })

  it('does not extend the attempt timeout', async () => {
    const id = await submitOne(store(), { timeouts: { attemptTimeoutMs: 2_000 } })
    const worker = new WorkerDriver(store())
    const { handle, attemptDeadlineAtMs } = await worker.claimOne()
    await store().advance(1_000)
    await worker.renew(handle, 60_000)
    expect((await readOne(store(), id)).lease?.attemptDeadlineAtMs).toBe(attemptDeadlineAtMs)
    await store().pass(1_000)
    expect(await worker.renew(handle)).toEqual({ outcome: 'attempt_timed_out' })
  })

  it('answers each item of a batch by itself', async () => {
    const { backend, namespace } = store()
    await submitOne(store())
    const ended = await submitOne(store())
    const worker = new WorkerDriver(store())
    const leases = await worker.claim()
    const [held, over] = leases
    if (held === undefined || over === undefined) throw new Error('two leases')
    expect(over.executionId).toBe(ended)
    await worker.complete(over.handle)
    const items = [
      { handle: over.handle, leaseTtlMs: 5_000 },
      { handle: 'nonsense', leaseTtlMs: 5_000 },
      { handle: held.handle, leaseTtlMs: 1 },
      { handle: held.handle, leaseTtlMs: 5_000 },
    ]
    const answer = await backend.leases.renew({ namespaces: [namespace], items })
    expect(answer.items[0]).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'success' },
    })
    expect(itemCodeOf(answer.items[1] as never)).toBe('invalid_handle')
    expect(itemCodeOf(answer.items[2] as never)).toBe('invalid_params')
    expect(answer.items[3]?.outcome).toBe('renewed')
  })

  it('refuses a batch that is too long, or of no namespace', async () => {
    const { leases } = store().backend
    const items = Array.from({ length: 1_001 }, () => ({ handle: 'x', leaseTtlMs: 5_000 }))
    expect(await codeOf(leases.renew({ namespaces: [store().namespace], items }))).toBe('batch_too_large')
    expect(await codeOf(leases.renew({ namespaces: [], items: [] }))).toBe('invalid_params')
  })
})
