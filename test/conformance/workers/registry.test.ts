import {
  mintInstanceId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
  type RegisterWorker,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const lane = parseLaneId('solos')

describe('workers', () => {
  const store = useStore({})

  function registration(more: Partial<RegisterWorker> = {}): RegisterWorker {
    return {
      namespaces: [store().namespace],
      workerId: parseWorkerId('worker'),
      instanceId: mintInstanceId(),
      lanes: [lane],
      kinds: [parseKind('work')],
      capabilities: ['gpu'],
      concurrency: 4,
      ...more,
    }
  }

  const list = async () => {
    const { backend, namespace } = store()
    return (await backend.workers.list({ namespace })).workers
  }

  const reap = async () => {
    const { backend, partitions } = store()
    const items = []
    for (const partition of partitions)
      items.push(...(await backend.workers.reapDead({ partition, max: 100 })).items)
    return items
  }

  it('register announces an instance, with what it serves', async () => {
    const { backend } = store()
    const params = registration()
    expect(await backend.workers.register(params)).toEqual({ outcome: 'registered', handedBack: 0 })
    const nowMs = await store().nowMs()
    const { namespaces, ...rest } = params
    expect(await list()).toEqual([
      { ...rest, namespaces, active: 0, draining: false, registeredAtMs: nowMs, lastSeenAtMs: nowMs },
    ])
  })

  it('a new registration of a living instance hands back what it held, at once', async () => {
    const { backend } = store()
    const worker = new WorkerDriver(store())
    const params = registration({ instanceId: worker.instanceId })
    await backend.workers.register(params)
    const id = await submitOne(store())
    const lease = await worker.claimOne()
    expect(await backend.workers.register(params)).toEqual({ outcome: 'registered', handedBack: 1 })
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'waiting', lease: null })
    const other = new WorkerDriver(store())
    expect((await other.claimOne()).executionId).toBe(id)
    expect((await worker.complete(lease.handle)).outcome).toBe('stale_lease')
    expect(await list()).toHaveLength(1)
  })

  it('a goodbye hands back what is held, and removes the instance', async () => {
    const { backend, namespace } = store()
    const worker = new WorkerDriver(store())
    await backend.workers.register(registration({ instanceId: worker.instanceId }))
    const id = await submitOne(store())
    await worker.claimOne()
    const beat = { namespaces: [namespace], instanceId: worker.instanceId, active: 1, goodbye: true }
    expect(await backend.workers.heartbeat(beat)).toEqual({ outcome: 'gone', draining: false })
    expect(await list()).toEqual([])
    expect((await new WorkerDriver(store()).claimOne()).executionId).toBe(id)
    expect((await backend.workers.heartbeat(beat)).outcome).toBe('unknown_instance')
  })

  it('a heartbeat says what runs and when it was seen; that of a stranger is unknown_instance', async () => {
    const { backend, namespace } = store()
    const params = registration()
    await backend.workers.register(params)
    await store().advance(10_000)
    const beat = { namespaces: [namespace], instanceId: params.instanceId, active: 3 }
    expect(await backend.workers.heartbeat(beat)).toEqual({ outcome: 'beating', draining: false })
    expect(await list()).toMatchObject([{ active: 3, lastSeenAtMs: await store().nowMs() }])
    const stranger = { ...beat, instanceId: mintInstanceId() }
    expect((await backend.workers.heartbeat(stranger)).outcome).toBe('unknown_instance')
  })

  it('drain is echoed to the worker', async () => {
    const { backend, namespace } = store()
    const { instanceId } = registration()
    await backend.workers.register(registration({ instanceId }))
    expect(await backend.workers.drain({ namespace, instanceId })).toEqual({ outcome: 'draining' })
    const beat = { namespaces: [namespace], instanceId, active: 0 }
    expect(await backend.workers.heartbeat(beat)).toEqual({ outcome: 'beating', draining: true })
    expect(await list()).toMatchObject([{ draining: true }])
  })

  it("drain refuses an instance that is not there, and another namespace's", async () => {
    const { backend, namespace } = store()
    const { instanceId } = registration()
    await expect(backend.workers.drain({ namespace, instanceId })).rejects.toMatchObject({
      code: 'worker_not_found',
    })
    await backend.workers.register(registration({ instanceId }))
    const foreign = { namespace: parseNamespace('elsewhere'), instanceId }
    await expect(backend.workers.drain(foreign)).rejects.toMatchObject({ code: 'worker_not_found' })
    expect(await list()).toMatchObject([{ draining: false }])
  })

  it('list is per namespace, and by lane when asked', async () => {
    const { backend, namespace } = store()
    await backend.workers.register(registration({ lanes: [parseLaneId('others')] }))
    const { instanceId } = registration()
    await backend.workers.register(registration({ instanceId }))
    expect(await list()).toHaveLength(2)
    const { workers } = await backend.workers.list({ namespace, lane })
    expect(workers.map((worker) => worker.instanceId)).toEqual([instanceId])
    expect((await backend.workers.list({ namespace: parseNamespace('elsewhere') })).workers).toEqual([])
  })

  it('reapDead removes who was silent for 30 s, and decides nothing about leases', async () => {
    const { backend } = store()
    const worker = new WorkerDriver(store())
    await backend.workers.register(registration({ instanceId: worker.instanceId }))
    const id = await submitOne(store())
    const { handle } = await worker.claimOne({ leaseTtlMs: 600_000 })
    await store().advance(29_999)
    expect((await reap()).filter(({ instanceId }) => instanceId === worker.instanceId)).toEqual([])
    await store().advance(1)
    expect(await reap()).toContainEqual({ outcome: 'removed', instanceId: worker.instanceId, handedBack: 0 })
    expect(await list()).toEqual([])
    expect((await readOne(store(), id)).publicState).toBe('active')
    expect((await worker.complete(handle)).outcome).toBe('completed')
  })

  it.each([
    ['workerId', 'no worker', 'invalid_worker_id'],
    ['instanceId', 'no instance', 'invalid_instance_id'],
    ['lanes', ['no lane'], 'invalid_lane_id'],
    ['kinds', ['no kind'], 'invalid_kind'],
    ['capabilities', ['a,b'], 'invalid_capability'],
  ])('register refuses a bad %s', async (field, value, code) => {
    const params = { ...registration(), [field]: value } as RegisterWorker
    await expect(store().backend.workers.register(params)).rejects.toMatchObject({ code })
    expect(await list()).toEqual([])
  })
})
