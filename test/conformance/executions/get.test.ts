import { parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.get', () => {
  const store = useStore()

  it('shows the lease of what runs', async () => {
    const id = await submitOne(store(), { timeouts: { attemptTimeoutMs: 9_000 } })
    const worker = new WorkerDriver(store())
    const lease = await worker.claimOne()
    const nowMs = await store().nowMs()
    const { execution } = await store().backend.executions.get({ namespace: store().namespace, id })
    expect(execution.lease).toEqual({
      workerId: 'worker',
      instanceId: worker.instanceId,
      attemptIndex: 0,
      startedAtMs: nowMs,
      expiresAtMs: lease.leaseExpiresAtMs,
      attemptDeadlineAtMs: nowMs + 9_000,
    })
  })

  it('does not know an id that nobody submitted', async () => {
    const { backend, namespace } = store()
    expect(await codeOf(backend.executions.get({ namespace, id: store().aSolo().id }))).toBe(
      'execution_not_found',
    )
  })

  it("does not know another namespace's execution", async () => {
    const id = await submitOne(store())
    const namespace = parseNamespace('foreign')
    expect(await codeOf(store().backend.executions.get({ namespace, id }))).toBe('execution_not_found')
  })

  it('refuses what is no id', async () => {
    const { backend, namespace } = store()
    expect(await codeOf(backend.executions.get({ namespace, id: 'x' as never }))).toBe('invalid_execution_id')
  })
})
