import { parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('attempts.list', () => {
  const store = useStore()

  it('tells every attempt, oldest first, the running one included', async () => {
    const { backend, namespace } = store()
    const executionId = await submitOne(store())
    const worker = new WorkerDriver(store())
    const first = await worker.claimOne()
    const startedAtMs = await store().nowMs()
    await store().advance(100)
    const failure = { category: 'error', message: 'it did not work' }
    await worker.fail(first.handle, { failure, retry: { afterMs: 0 } })
    const second = new WorkerDriver(store())
    await second.claimOne()
    const { items } = await backend.attempts.list({ namespace, executionId })
    expect(items).toEqual([
      {
        executionId,
        index: 0,
        type: 'initial',
        generation: 1,
        state: 'ended_failure',
        epoch: 1,
        workerId: 'worker',
        instanceId: worker.instanceId,
        startedAtMs,
        endedAtMs: startedAtMs + 100,
        endedBy: 'holder',
        late: false,
        failure,
      },
      {
        executionId,
        index: 1,
        type: 'retry',
        generation: 1,
        state: 'started',
        epoch: 2,
        workerId: 'worker',
        instanceId: second.instanceId,
        startedAtMs: startedAtMs + 100,
        endedAtMs: null,
        endedBy: null,
        late: false,
        failure: null,
      },
    ])
  })

  it('tells of an attempt that went on its first start and its last holder', async () => {
    const { backend, namespace } = store()
    const executionId = await submitOne(store())
    const startedAtMs = await store().nowMs()
    const worker = new WorkerDriver(store())
    await worker.delay((await worker.claimOne()).handle, startedAtMs + 1_000)
    await store().pass(1_000)
    const second = new WorkerDriver(store())
    await second.claimOne()
    const { items } = await backend.attempts.list({ namespace, executionId })
    expect(items).toMatchObject([{ state: 'started', epoch: 2, startedAtMs, instanceId: second.instanceId }])
  })

  it('pages', async () => {
    const { backend, namespace } = store()
    const executionId = await submitOne(store())
    const worker = new WorkerDriver(store())
    for (let n = 0; n < 3; n += 1)
      await worker.fail((await worker.claimOne()).handle, { retry: { afterMs: 0 } })
    const first = await backend.attempts.list({ namespace, executionId, limit: 2 })
    const second = await backend.attempts.list({
      namespace,
      executionId,
      limit: 2,
      cursor: first.nextCursor ?? '',
    })
    expect([...first.items, ...second.items].map(({ index }) => index)).toEqual([0, 1, 2])
    expect(second.nextCursor).toBeNull()
  })

  it('is empty before the first claim', async () => {
    const { backend, namespace } = store()
    const executionId = await submitOne(store())
    expect(await backend.attempts.list({ namespace, executionId })).toEqual({ items: [], nextCursor: null })
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const { backend, namespace } = store()
    const executionId = await submitOne(store())
    const list = backend.attempts.list
    expect(await codeOf(list({ namespace, executionId: store().aSolo().id }))).toBe('execution_not_found')
    expect(await codeOf(list({ namespace: parseNamespace('foreign'), executionId }))).toBe(
      'execution_not_found',
    )
    expect(await codeOf(list({ namespace, executionId, cursor: 'nonsense' }))).toBe('invalid_cursor')
    expect(await codeOf(list({ namespace, executionId, limit: 1_001 }))).toBe('limit_exceeded')
  })
})
