import { makePartitionTag, mintQuotaId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { codeOf, itemCodeOf, steadyRetry, submitOne } from '../../support/builders.js'
import { settle } from '../../support/drive.js'
import { useStore } from '../../support/use-store.js'

describe('quotas.acquire', () => {
  const store = useStore()

  async function start() {
    const driver = new AdmissionDriver(store())
    const id = await submitOne(store(), { retry: steadyRetry() })
    const lease = await driver.worker.claimOne()
    return { driver, id, lease, handle: lease.handle }
  }

  it('takes a slot and units for a handler, once for each holder key', async () => {
    const { driver, handle } = await start()
    await driver.quota({ concurrency: 2, rate: { units: 10, windowMs: 60_000 } })
    expect(await driver.acquire(handle, 'a', { cost: 4 })).toEqual({ outcome: 'acquired' })
    expect(await driver.acquire(handle, 'a', { cost: 4 })).toEqual({ outcome: 'already_acquired' })
    expect(await driver.acquire(handle, 'b')).toEqual({ outcome: 'acquired' })
    expect(await driver.readQuota()).toMatchObject({ held: 2, unitsInWindow: 5 })
    expect(await driver.acquire(handle, 'c')).toEqual({ outcome: 'quota_exceeded', retryAtMs: null })
    expect(await driver.release(handle, 'a')).toEqual({ outcome: 'released' })
    expect(await driver.release(handle, 'a')).toEqual({ outcome: 'not_held' })
    expect(await driver.readQuota()).toMatchObject({ held: 1, unitsInWindow: 5 })
    expect(await driver.acquire(handle, 'c', { key: 'k' })).toEqual({ outcome: 'acquired' })
    expect(await driver.readQuota('k')).toMatchObject({ held: 1 })
  })

  it('says when a rate has room, whatever its strategy', async () => {
    const { driver, handle } = await start()
    await driver.quota({ rate: { units: 2, windowMs: 1_000 }, strategy: 'drop_new' })
    const nowMs = await store().nowMs()
    expect(await driver.acquire(handle, 'a', { cost: 2 })).toEqual({ outcome: 'acquired' })
    const refused = { outcome: 'quota_exceeded', retryAtMs: nowMs + 1_000 }
    expect(await driver.acquire(handle, 'b')).toEqual(refused)
    expect(await driver.acquire(handle, 'b', { cost: 3 })).toEqual({ ...refused, retryAtMs: null })
    await store().advance(1_000)
    expect(await driver.acquire(handle, 'b')).toEqual({ outcome: 'acquired' })
  })

  it('wakes who waits when it is released, and when the attempt ends', async () => {
    const { driver, handle } = await start()
    await driver.quota({ concurrency: 1 })
    await driver.acquire(handle)
    const [first, second] = [await driver.submitQuota(), await driver.submitQuota()]
    expect(await driver.claimIds()).toEqual([])
    await driver.release(handle)
    await store().settle()
    const [lease] = await driver.claimAll()
    expect(lease?.executionId).toBe(first)
    await driver.worker.complete(lease?.handle ?? '')
    await store().settle()
    expect(await driver.acquire(handle)).toEqual({ outcome: 'acquired' })
    expect(await driver.claimIds()).toEqual([])
    await driver.worker.complete(handle)
    await store().settle()
    expect(await driver.claimIds()).toEqual([second])
    expect(await driver.readQuota()).toMatchObject({ held: 1 })
  })

  it('is freed by a failure, a lost lease and a yield, and is not taken over by the next attempt', async () => {
    const { driver, handle } = await start()
    const { worker } = driver
    await driver.quota({ concurrency: 5 })
    const held = async () => (await driver.readQuota()).held
    await driver.acquire(handle)
    await worker.fail(handle)
    await store().pass(1_000)
    expect(await held()).toBe(0)
    const second = await worker.claimOne({ leaseTtlMs: 1_000 })
    await driver.acquire(second.handle)
    expect(await held()).toBe(1)
    await store().pass(1_000)
    expect(await held()).toBe(0)
    const third = await worker.claimOne()
    await driver.acquire(third.handle)
    expect(await worker.yield(third.handle)).toEqual({ outcome: 'yielded' })
    await store().settle()
    expect(await held()).toBe(0)
  })

  it('is fenced, and refuses what is not there', async () => {
    const { driver, handle } = await start()
    const quotaId = await driver.quota({ concurrency: 1 })
    const other = await driver.quotas.acquire({
      namespaces: [parseNamespace('foreign')],
      items: [{ handle, quotaId, holderKey: 'x' }],
    })
    expect(other.items[0]).toEqual({ outcome: 'stale_lease' })
    const { items } = await driver.quotas.acquire({
      namespaces: [store().namespace],
      items: [
        { handle, quotaId: mintQuotaId(), holderKey: 'x' },
        { handle: 'h', quotaId, holderKey: 'x' },
        { handle, quotaId, holderKey: '' },
        { handle, quotaId, holderKey: 'x', cost: -1 },
        { handle, quotaId, holderKey: 'x', key: 'y'.repeat(257) },
        { handle, quotaId, holderKey: 'x' },
      ],
    })
    expect(items.map((item) => (item.outcome === 'error' ? itemCodeOf(item) : item.outcome))).toEqual([
      'quota_not_found',
      'invalid_handle',
      'invalid_params',
      'invalid_params',
      'limit_exceeded',
      'acquired',
    ])
    const released = await driver.quotas.release({
      namespaces: [store().namespace],
      items: [{ handle, quotaId: mintQuotaId(), holderKey: 'x' }],
    })
    expect(itemCodeOf(released.items[0])).toBe('quota_not_found')
    expect(await codeOf(driver.quotas.acquire({ namespaces: [], items: [] }))).toBe('invalid_params')
    await driver.worker.complete(handle)
    expect(await driver.acquire(handle)).toMatchObject({ outcome: 'execution_not_active' })
    expect(await driver.release(handle)).toMatchObject({ outcome: 'execution_not_active' })
  })
})

describe('quotas.wakeParked and reconcile', () => {
  const store = useStore()

  it('wakes as many as can be admitted, the longest waiting first, within its bound', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 2 })
    const { quotaId } = driver
    const fillers = [await driver.fill(), await driver.fill()]
    // Each has an admission key of its own, by a second quota.
    await driver.quota()
    const ids = []
    for (const key of ['a', 'b', 'c']) {
      ids.push(await submitOne(store(), { quotas: [{ quotaId }, { quotaId: driver.quotaId, key }] }))
      await driver.claimIds()
    }
    expect(await driver.readQuota('', quotaId)).toMatchObject({ waiting: 3 })
    const partition = makePartitionTag('quota', 0)
    const own = async (max: number) =>
      (await driver.quotas.wakeParked({ partition, max })).items.filter(
        ({ by }) => by.kind === 'quota' && by.quotaId === quotaId,
      )
    expect(await own(100)).toEqual([])
    for (const handle of fillers) await driver.worker.complete(handle)
    await settle(store().backend, store().partitions)
    const by = { kind: 'quota', quotaId, key: '' }
    const woken = await own(100)
    // A store may wake in the step that frees a slot, or right after it.
    if (woken.length > 0) expect(woken).toEqual([{ outcome: 'woken', by, count: 2 }])
    expect([...(await driver.claimIds())].sort()).toEqual(ids.slice(0, 2).sort())
  })

  it('finds nothing to repair where all went well, and refuses partitions of other families', async () => {
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1 })
    await driver.fill()
    const partition = driver.quotaPartition()
    const { items } = await driver.quotas.reconcile({ partition, max: 100 })
    expect(items.filter(({ quotaId }) => quotaId === driver.quotaId)).toEqual([])
    expect(await codeOf(driver.quotas.reconcile({ partition: '{fp:0}' as never, max: 1 }))).toBe(
      'partition_tag_unknown_family',
    )
    expect(await codeOf(driver.quotas.wakeParked({ partition: '{fp:0}' as never, max: 1 }))).toBe(
      'partition_tag_unknown_family',
    )
    expect(await codeOf(driver.quotas.wakeParked({ partition, max: 0 }))).toBe('invalid_params')
  })
})
