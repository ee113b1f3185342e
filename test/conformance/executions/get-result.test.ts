import { parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, itemCodeOf, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.getResult', () => {
  const store = useStore()
  const read = async (...ids: string[]) =>
    (await store().backend.executions.getResult({ namespace: store().namespace, ids: ids as never[] })).items

  it('answers each recorded end in one call, in the order asked', async () => {
    const worker = new WorkerDriver(store())
    const succeeded = await submitOne(store())
    await worker.complete((await worker.claimOne()).handle, 'out')
    const empty = await submitOne(store())
    await worker.complete((await worker.claimOne()).handle)
    const failed = await submitOne(store())
    const failure = { category: 'fatal', message: 'no', details: 'at line 1' }
    await worker.fail((await worker.claimOne()).handle, { failure, retry: 'never' })
    const cancelled = await submitOne(store())
    await store().backend.executions.cancel({ namespace: store().namespace, id: cancelled })
    const pending = await submitOne(store())
    expect(await read(pending, failed, succeeded, cancelled, empty)).toEqual([
      { outcome: 'pending', id: pending, publicState: 'waiting' },
      { outcome: 'failed', id: failed, failure, cancelCause: null },
      { outcome: 'success', id: succeeded, result: bytesOf('out') },
      { outcome: 'cancelled', id: cancelled, failure: null, cancelCause: 'operator' },
      { outcome: 'success', id: empty, result: null },
    ])
  })

  it('names why an expired execution ended', async () => {
    const id = await submitOne(store(), { timeouts: { deadlineMs: 1_000 } })
    await store().pass(1_000)
    expect(await read(id)).toMatchObject([
      { outcome: 'expired', id, failure: { category: 'deadline' }, cancelCause: null },
    ])
  })

  it('answers an item error for an id that is unknown, foreign or none, and the others all the same', async () => {
    const id = await submitOne(store())
    const items = await read(store().aSolo().id, 'nonsense', id)
    expect(items.slice(0, 2).map((item) => itemCodeOf(item as never))).toEqual([
      'execution_not_found',
      'invalid_execution_id',
    ])
    expect(items[2]?.outcome).toBe('pending')
    const foreign = await store().backend.executions.getResult({
      namespace: parseNamespace('foreign'),
      ids: [id],
    })
    expect(itemCodeOf(foreign.items[0] as never)).toBe('execution_not_found')
  })

  it('refuses a list that is too long', async () => {
    const ids = Array.from({ length: 1_001 }, () => store().aSolo().id)
    expect(await codeOf(read(...ids))).toBe('batch_too_large')
  })
})
