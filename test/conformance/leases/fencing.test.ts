import {
  type ClaimedExecution,
  decodeHandle,
  encodeHandle,
  mintLeaseId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

/** Everything that a holder can send. */
const writes = ['renew', 'complete', 'fail', 'delay', 'yield', 'progress', 'step'] as const
type Write = (typeof writes)[number]

const ttlMs = 1_000

describe('fencing', () => {
  const store = useStore()

  async function send(worker: WorkerDriver, write: Write, handle: string) {
    switch (write) {
      case 'renew':
        return worker.renew(handle)
      case 'complete':
        return worker.complete(handle, 'late')
      case 'fail':
        return worker.fail(handle, { retry: 'never' })
      case 'delay':
        return worker.delay(handle, (await store().nowMs()) + 60_000)
      case 'yield':
        return worker.yield(handle)
      case 'progress':
        return worker.progress(handle)
      case 'step':
        return worker.step(handle, 'late')
    }
  }

  /** A running execution whose lease lasts a second, and its holder. */
  async function start(more: Parameters<typeof submitOne>[1] = {}) {
    const id = await submitOne(store(), more)
    const worker = new WorkerDriver(store())
    return { id, worker, lease: await worker.claimOne({ leaseTtlMs: ttlMs }) }
  }

  /** A refusal changes nothing. */
  async function expectRefused(worker: WorkerDriver, write: Write, lease: ClaimedExecution, refusal: object) {
    const before = await readOne(store(), lease.executionId)
    expect(await send(worker, write, lease.handle)).toEqual(refusal)
    expect(await readOne(store(), lease.executionId)).toEqual(before)
  }

  describe.each(writes)('%s', (write) => {
    const accepted = {
      renew: 'renewed',
      complete: 'completed',
      fail: 'failed',
      delay: 'delayed',
      yield: 'yielded',
      progress: 'recorded',
      step: 'recorded',
    }[write]

    it('is accepted while the lease stands', async () => {
      const { worker, lease } = await start()
      expect((await send(worker, write, lease.handle)).outcome).toBe(accepted)
    })

    it('is accepted after the time is over, as long as nobody reaped the lease', async () => {
      const { worker, lease } = await start()
      await store().advance(60_000)
      expect((await send(worker, write, lease.handle)).outcome).toBe(accepted)
    })

    it('is accepted past a deadline that nobody has applied', async () => {
      const { worker, lease } = await start({ timeouts: { deadlineMs: 500, attemptTimeoutMs: 400 } })
      await store().advance(60_000)
      expect((await send(worker, write, lease.handle)).outcome).toBe(accepted)
    })

    it('is late once the lease was reaped: only complete and fail are taken', async () => {
      const { id, worker, lease } = await start()
      await store().pass(ttlMs)
      if (write === 'complete' || write === 'fail') {
        expect(await send(worker, write, lease.handle)).toEqual({ outcome: accepted, late: true })
        expect(await readOne(store(), id)).toMatchObject({
          publicState: write === 'complete' ? 'completed' : 'failed',
          reclaimCount: 0,
        })
      } else {
        await expectRefused(worker, write, lease, { outcome: 'lease_expired' })
      }
    })

    it('is stale once the execution was claimed again', async () => {
      const { worker, lease } = await start()
      await store().pass(ttlMs)
      await new WorkerDriver(store()).claimOne()
      await expectRefused(worker, write, lease, { outcome: 'stale_lease' })
    })

    it('is refused after the lease was revoked, also once it was claimed again', async () => {
      const { id, worker, lease } = await start()
      await store().backend.leases.revoke({ namespace: store().namespace, id })
      await expectRefused(worker, write, lease, { outcome: 'lease_revoked' })
      await new WorkerDriver(store()).claimOne()
      await expectRefused(worker, write, lease, { outcome: 'lease_revoked' })
    })

    it('is refused after the attempt timed out', async () => {
      const { worker, lease } = await start({ timeouts: { attemptTimeoutMs: 500 } })
      await store().pass(500)
      await expectRefused(worker, write, lease, { outcome: 'attempt_timed_out' })
    })

    it('is refused after the deadline ended the execution', async () => {
      const { worker, lease } = await start({ timeouts: { deadlineMs: 500 } })
      await store().pass(500)
      const recorded = { endedBy: 'deadline', terminalOutcome: 'expired' }
      await expectRefused(worker, write, lease, { outcome: 'execution_not_active', recorded })
    })

    it('is refused after a cancel ended the execution', async () => {
      const { id, worker, lease } = await start()
      await store().backend.executions.cancel({ namespace: store().namespace, id })
      const recorded = { endedBy: 'cancel', terminalOutcome: 'cancelled' }
      await expectRefused(worker, write, lease, { outcome: 'execution_not_active', recorded })
    })

    it('is refused after too many lost leases failed the execution', async () => {
      const { worker, lease } = await start({ maxReclaims: 0 })
      await store().pass(ttlMs)
      const recorded = { endedBy: 'lease_expiry', terminalOutcome: 'failed' }
      await expectRefused(worker, write, lease, { outcome: 'execution_not_active', recorded })
    })

    it('is refused when the execution was cancelled after the lease was reaped', async () => {
      const { id, worker, lease } = await start()
      await store().pass(ttlMs)
      await store().backend.executions.cancel({ namespace: store().namespace, id })
      const recorded = { endedBy: 'lease_expiry', terminalOutcome: 'cancelled' }
      await expectRefused(worker, write, lease, { outcome: 'execution_not_active', recorded })
    })

    it.each(['complete', 'fail', 'delay'] as const)(
      'after its own %s is a repeat, or refused',
      async (end) => {
        const { worker, lease } = await start()
        const first = await send(worker, end, lease.handle)
        if (write === end) {
          const before = await readOne(store(), lease.executionId)
          expect(await send(worker, write, lease.handle)).toEqual(first)
          expect(await readOne(store(), lease.executionId)).toEqual(before)
          return
        }
        const terminalOutcome = { complete: 'success', fail: 'failed', delay: 'none' }[end]
        const recorded = { endedBy: 'holder', terminalOutcome }
        await expectRefused(worker, write, lease, { outcome: 'execution_not_active', recorded })
      },
    )

    it('is stale with another lease id, another epoch or of an attempt that does not exist', async () => {
      const { worker, lease } = await start()
      const held = decodeHandle(lease.handle)
      const forged = [
        { ...held, leaseId: mintLeaseId() },
        { ...held, epoch: held.epoch + 1 },
        { ...held, epoch: 0 },
        { ...held, attemptIndex: 1 },
        { ...held, executionId: store().aSolo().id },
      ]
      for (const each of forged) {
        const stale = { ...lease, handle: encodeHandle(each) }
        await expectRefused(worker, write, stale, { outcome: 'stale_lease' })
      }
    })

    it.each(['', 'nonsense', 'h1.', 'h2.0.x', 'h1.0.x.0.y.1'])(
      'refuses the malformed handle %j',
      async (handle) => {
        const { id, worker } = await start()
        expect(itemCodeOf((await send(worker, write, handle)) as never)).toBe('invalid_handle')
        expect((await readOne(store(), id)).publicState).toBe('active')
      },
    )
  })

  it("does not know another namespace's lease", async () => {
    const { id, lease } = await start()
    const namespaces = [parseNamespace('foreign')]
    const { leases, attempts, streams } = store().backend
    const { handle } = lease
    const answers = await Promise.all([
      leases.renew({ namespaces, items: [{ handle, leaseTtlMs: 5_000 }] }),
      leases.complete({ namespaces, items: [{ handle, result: null }] }),
      leases.fail({ namespaces, items: [{ handle, failure: { category: 'x', message: '' } }] }),
      leases.delay({ namespaces, items: [{ handle, untilMs: 0 }] }),
      leases.yield({ namespaces, items: [{ handle }] }),
      attempts.recordProgress({ namespaces, items: [{ handle, percent: 1 }] }),
      attempts.recordStep({ namespaces, items: [{ handle, name: 'x', type: 'step', result: null }] }),
      streams.append({
        namespaces,
        items: [{ handle, mode: 'durable', frameNumber: 0, frame: new Uint8Array() }],
      }),
    ])
    const items: readonly unknown[] = answers.flatMap((answer): readonly unknown[] => answer.items)
    expect(items).toEqual(Array(8).fill({ outcome: 'stale_lease' }))
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'active', progress: null })
  })

  it('a late failure follows the retry policy, uncounts the reclaim and marks the attempt', async () => {
    const { backend, namespace } = store()
    const { id, worker, lease } = await start()
    await store().pass(ttlMs)
    expect((await readOne(store(), id)).reclaimCount).toBe(1)
    const retryAtMs = (await store().nowMs()) + 5_000
    const answer = await worker.fail(lease.handle, { retry: { afterMs: 5_000 } })
    expect(answer).toEqual({ outcome: 'retrying', retryAtMs, late: true })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'delayed',
      state: { ownershipState: 'unowned', attemptState: 'pending_retry_attempt' },
      reclaimCount: 0,
    })
    const { items } = await backend.attempts.list({ namespace, executionId: id })
    expect(items).toMatchObject([{ state: 'ended_failure', endedBy: 'holder', late: true }])
    expect(await worker.fail(lease.handle)).toEqual(answer)
    await store().pass(5_000)
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 1, attemptType: 'retry' })
  })

  it('a late result stands, and is not taken twice', async () => {
    const { id, worker, lease } = await start()
    await store().pass(ttlMs)
    expect(await worker.complete(lease.handle, 'late')).toEqual({ outcome: 'completed', late: true })
    expect(await worker.complete(lease.handle, 'later')).toEqual({ outcome: 'completed', late: true })
    expect(await new WorkerDriver(store()).claim()).toEqual([])
    expect((await readOne(store(), id)).publicState).toBe('completed')
  })

  it('a late result is taken from one that waits for its reclaim pause, and from a held one', async () => {
    const { id, worker, lease } = await start()
    await store().pass(ttlMs)
    const second = await worker.claimOne({ leaseTtlMs: ttlMs })
    expect(await worker.complete(lease.handle)).toEqual({ outcome: 'stale_lease' })
    await store().pass(ttlMs)
    expect((await readOne(store(), id)).publicState).toBe('delayed')
    await store().backend.executions.hold({ namespace: store().namespace, id })
    expect(await worker.complete(second.handle)).toEqual({ outcome: 'completed', late: true })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'completed',
      reclaimCount: 1,
      held: false,
    })
  })

  it('repeats stand after a replay', async () => {
    const { id, worker, lease } = await start()
    await worker.complete(lease.handle)
    await store().backend.executions.replay({ namespace: store().namespace, id })
    await new WorkerDriver(store()).claimOne()
    expect(await worker.complete(lease.handle)).toEqual({ outcome: 'completed', late: false })
    const recorded = { endedBy: 'holder', terminalOutcome: 'none' }
    expect(await worker.renew(lease.handle)).toEqual({ outcome: 'execution_not_active', recorded })
  })
})
