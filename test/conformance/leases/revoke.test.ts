import { type ExecutionId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('leases.revoke', () => {
  const store = useStore()
  const revoke = (id: ExecutionId) => store().backend.leases.revoke({ namespace: store().namespace, id })

  it('takes the lease away at once; the execution is claimable again as a reclaim', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    const { readyAtMs } = await readOne(store(), id)
    await store().advance(10)
    expect(await revoke(id)).toEqual({ outcome: 'revoked', next: 'reclaimable' })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      state: { ownershipState: 'lease_expired_reclaimable', attemptState: 'pending_reclaim_attempt' },
      reclaimCount: 1,
      readyAtMs,
      lease: null,
    })
    const { items } = await backend.attempts.list({ namespace, executionId: id })
    expect(items).toMatchObject([{ state: 'interrupted_reclaimed', endedBy: 'revocation' }])
    expect(await worker.complete(handle)).toEqual({ outcome: 'lease_revoked' })
    expect(await worker.claimOne()).toMatchObject({ attemptIndex: 1, attemptType: 'reclaim' })
  })

  it('ends as failed what lost its lease too often', async () => {
    const id = await submitOne(store(), { maxReclaims: 0 })
    await new WorkerDriver(store()).claimOne()
    expect(await revoke(id)).toEqual({ outcome: 'revoked', next: 'failed' })
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'failed',
      failure: { category: 'max_reclaims_exceeded' },
    })
  })

  it('is refused for what does not run, with what is recorded', async () => {
    const id = await submitOne(store())
    expect(await revoke(id)).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: null, terminalOutcome: 'none' },
    })
    const worker = new WorkerDriver(store())
    await worker.complete((await worker.claimOne()).handle)
    expect(await revoke(id)).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'success' },
    })
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const id = await submitOne(store())
    await new WorkerDriver(store()).claimOne()
    expect(await codeOf(revoke(store().aSolo().id))).toBe('execution_not_found')
    expect(await codeOf(store().backend.leases.revoke({ namespace: parseNamespace('foreign'), id }))).toBe(
      'execution_not_found',
    )
    expect(await codeOf(revoke('x' as never))).toBe('invalid_execution_id')
    expect((await readOne(store(), id)).publicState).toBe('active')
  })
})
