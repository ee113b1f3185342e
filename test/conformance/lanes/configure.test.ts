import { must, parseKind, parseLaneId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const lane = parseLaneId('solos')

describe('lanes.configure', () => {
  const store = useStore({})

  const configure = async (settings: object, on = lane) => {
    const { backend, namespace } = store()
    return backend.lanes.configure({ namespace, lane: on, settings })
  }

  it('a lane exists from its first use, with the defaults', async () => {
    const { backend, namespace } = store()
    await submitOne(store())
    const { lanes } = await backend.lanes.list({ namespace })
    expect(lanes).toMatchObject([
      {
        lane,
        state: 'active',
        shards: 1,
        concurrency: null,
        ageingMs: null,
        weight: 1,
        retentionMs: 86_400_000,
        eventLevel: 'terminal',
        depth: { waiting: 1 },
        oldestReadyAtMs: await store().nowMs(),
      },
    ])
  })

  it('changes what is given and keeps the rest', async () => {
    expect((await configure({ concurrency: 3, weight: 5 })).lane).toMatchObject({ concurrency: 3, weight: 5 })
    expect((await configure({ ageingMs: 500 })).lane).toMatchObject({
      concurrency: 3,
      weight: 5,
      ageingMs: 500,
    })
    expect((await configure({ concurrency: null })).lane).toMatchObject({ concurrency: null, weight: 5 })
  })

  it('a capped lane never has more active executions than its cap', async () => {
    for (let i = 0; i < 5; i += 1) await submitOne(store())
    await configure({ concurrency: 2 })
    const [first, second] = [new WorkerDriver(store()), new WorkerDriver(store())]
    const got = await first.claim()
    expect(got).toHaveLength(2)
    expect(await second.claim()).toEqual([])
    await first.complete(got[0]?.handle ?? '')
    expect(await second.claim()).toHaveLength(1)
    expect(await second.claim()).toEqual([])
    await configure({ concurrency: null })
    expect(await second.claim()).toHaveLength(2)
  })

  it.each(['fail', 'delay', 'revoke', 'lease', 'cancel'] as const)(
    'a slot is free again after a %s',
    async (way) => {
      await configure({ concurrency: 1 })
      const [id] = [await submitOne(store()), await submitOne(store())]
      const worker = new WorkerDriver(store())
      const { handle } = await worker.claimOne({ leaseTtlMs: 5_000 })
      expect(await worker.claim()).toEqual([])
      const { backend, namespace } = store()
      if (way === 'fail') await worker.fail(handle, { retry: 'never' })
      if (way === 'delay') await worker.delay(handle, (await store().nowMs()) + 60_000)
      if (way === 'revoke') await backend.leases.revoke({ namespace, id })
      if (way === 'cancel') await backend.executions.cancel({ namespace, id })
      if (way === 'lease') await store().pass(5_000)
      expect(await worker.claim()).toHaveLength(1)
      expect(await worker.claim()).toEqual([])
    },
  )

  it('ageing lets what waits long overtake what is more important; it holds for what becomes ready later', async () => {
    const old = await submitOne(store(), { priority: 0 })
    await configure({ ageingMs: 1_000 })
    const worker = new WorkerDriver(store())
    const aged = await submitOne(store(), { priority: 0 })
    await store().advance(3_500)
    const urgent = await submitOne(store(), { priority: 3 })
    const order = (await worker.claim()).map(({ executionId }) => executionId)
    // Three steps of a second each are less than what `aged` has waited, and `old` was scored without ageing.
    expect(order.indexOf(aged)).toBeLessThan(order.indexOf(urgent))
    expect((await readOne(store(), old)).publicState).toBe('active')
  })

  it('without ageing a higher priority always goes first', async () => {
    const low = await submitOne(store(), { priority: 0 })
    await store().advance(86_400_000)
    const high = await submitOne(store(), { priority: 1 })
    const worker = new WorkerDriver(store())
    expect((await worker.claim()).map(({ executionId }) => executionId)).toEqual([high, low])
  })

  it('several lanes of a claim share it', async () => {
    const { backend, namespace } = store()
    const other = parseLaneId('others')
    const items = Array.from({ length: 6 }, (_, i) => store().aSolo({ lane: i % 2 === 0 ? lane : other }))
    await backend.executions.submit({ namespace, items })
    const worker = new WorkerDriver(store(), { lanes: [lane, other], kinds: [parseKind('work')] })
    const got = [...(await worker.claim({ max: 3 })), ...(await worker.claim({ max: 3 }))]
    expect(got.filter((lease) => lease.lane === lane)).toHaveLength(3)
    expect(got.filter((lease) => lease.lane === other)).toHaveLength(3)
  })

  it.each([
    ['shards', 0],
    ['concurrency', 0],
    ['weight', 0],
    ['ageingMs', -1],
    ['eventLevel', 'some'],
  ])('refuses %s: %s, and changes nothing', async (field, value) => {
    await configure({ weight: 2 })
    await expect(configure({ [field]: value })).rejects.toMatchObject({ kind: 'validation' })
    const { backend, namespace } = store()
    expect((await backend.lanes.list({ namespace })).lanes).toMatchObject([{ lane, weight: 2 }])
  })

  it('lanes are per namespace', async () => {
    const { backend } = store()
    await configure({ weight: 7 })
    const elsewhere = parseNamespace('elsewhere-lanes')
    expect((await backend.lanes.list({ namespace: elsewhere })).lanes).toEqual([])
  })
})

describe('lanes.list', () => {
  const store = useStore({})

  it('counts by state, terminal ones too, and says how old the oldest claimable one is', async () => {
    const { backend, namespace } = store()
    const readyAtMs = await store().nowMs()
    for (let i = 0; i < 3; i += 1) await submitOne(store())
    await store().advance(2_000)
    await submitOne(store())
    await submitOne(store(), { delayMs: 60_000 })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne({ max: 1 })
    await worker.complete(handle)
    await worker.claimOne({ max: 1 })
    const [view] = (await backend.lanes.list({ namespace })).lanes
    expect(view?.depth).toMatchObject({ waiting: 2, delayed: 1, active: 1, completed: 1, failed: 0 })
    expect(view?.oldestReadyAtMs).toBe(readyAtMs)
    await worker.claim()
    expect((await backend.lanes.list({ namespace })).lanes[0]?.oldestReadyAtMs).toBeNull()
  })

  it('says since when the oldest is ready that names a quota, unless it waits behind a refused one', async () => {
    const { backend, namespace } = store()
    const oldest = async () => (await backend.lanes.list({ namespace })).lanes[0]?.oldestReadyAtMs
    const driver = new AdmissionDriver(store())
    await driver.quota({ concurrency: 1 })
    const readyAtMs = await store().nowMs()
    for (let n = 0; n < 3; n += 1) await driver.submitQuota()
    await store().advance(2_000)
    expect(await oldest()).toBe(readyAtMs)
    const [first] = await driver.claimAll()
    expect(await oldest()).toBeNull()
    await driver.worker.complete(must(first, 'a lease').handle)
    await store().settle()
    expect(await oldest()).toBe(readyAtMs)
  })

  it('copies of a lane have nothing left to finish after an answer', async () => {
    const { backend, namespace } = store()
    await backend.lanes.configure({ namespace, lane, settings: { weight: 3 } })
    for (const partition of store().partitions)
      expect((await backend.lanes.syncCopies({ partition, max: 10 })).items).toEqual([])
  })
})
