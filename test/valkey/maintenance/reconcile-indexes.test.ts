import { mintUuid, parseNamespace, uuidOf } from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestBackend, type TestBackend, type ValkeyInside } from '../../support/backends.js'
import { submitOne } from '../../support/builders.js'
import { inNamespace, type TestStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('maintenance.reconcileIndexes on Valkey', () => {
  let opened: TestBackend
  let store: TestStore
  let inside: ValkeyInside
  beforeAll(async () => {
    opened = await createTestBackend({ name: 'valkey', partitions: { flow: 1 } })
    store = inNamespace(opened, parseNamespace('indexes'))
    if (!('send' in opened.inside)) throw new Error('not a Valkey store')
    inside = opened.inside
  })
  afterAll(() => opened?.close())

  const index = (name: string) => `${inside.keyPrefix}:idx:{fp:0}:${name}`
  const reconcile = async () => {
    const { items } = await store.backend.maintenance.reconcileIndexes({
      partition: store.partitions[0]!,
      max: 500,
    })
    return items
  }
  const routeOf = async () => {
    const routes = (await inside.send('HKEYS', index('routes'))) as Buffer[]
    return String(routes[0])
  }

  it('puts an execution back where its claim looks for it', async () => {
    const id = await submitOne(store)
    await inside.send('DEL', index(`ready:${await routeOf()}`))
    await inside.send('DEL', index('ready_index'))
    expect(await reconcile()).toMatchObject([{ outcome: 'repaired', id }])
    expect(await reconcile()).toEqual([])
    expect((await new WorkerDriver(store).claimOne()).executionId).toBe(id)
  })

  it('removes entries that are about nothing, and about something else', async () => {
    const id = await submitOne(store)
    const { namespace } = store
    const ready = index(`ready:${await routeOf()}`)
    await inside.send('ZADD', ready, 1, `00000000001${mintUuid()}`)
    await inside.send('ZADD', index('timers'), 1, mintUuid())
    await inside.send('ZADD', index('timers'), 1, uuidOf(id))
    await inside.send('ZADD', index(`list:bad:${namespace}`), 1, uuidOf(id))
    await inside.send('ZADD', index('flow_index'), 0, mintUuid())
    const found = await reconcile()
    expect(found.filter(({ outcome }) => outcome === 'repaired').length).toBeGreaterThanOrEqual(4)
    expect(await reconcile()).toEqual([])
    expect(
      (await store.backend.executions.list({ namespace })).items.filter((each) => each.id === id),
    ).toHaveLength(1)
  })

  it('names a record that does not decode, and looks at its neighbours all the same', async () => {
    const [bad, good] = [await submitOne(store), await submitOne(store, { delayMs: 1_000 })]
    await inside.send('SET', `${inside.keyPrefix}:exec:{fp:0}:${uuidOf(bad)}:core`, 'nonsense')
    await inside.send('ZREM', index('timers'), uuidOf(good))
    const found = await reconcile()
    expect(found).toContainEqual(expect.objectContaining({ outcome: 'violation', id: bad }))
    expect(found).toContainEqual(expect.objectContaining({ outcome: 'repaired', id: good }))
  })
})
