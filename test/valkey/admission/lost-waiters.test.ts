import { expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { useStore } from '../../support/use-store.js'

const store = useStore({ name: 'valkey' }, { faulty: true })

it('a line that a fail-over has made its quota forget is judged again', async () => {
  const { backend, opened, partitions } = store()
  if (!('send' in opened.inside)) throw new Error('a Valkey was opened')
  const { send, keys } = opened.inside
  const driver = new AdmissionDriver(store())
  await driver.quota({ concurrency: 1 })
  const first = await driver.submitQuota()
  const { handle } = await driver.worker.claimOne()
  const second = await driver.submitQuota()
  expect(await driver.claimIds()).toEqual([])
  expect(await driver.readQuota()).toMatchObject({ held: 1, waiting: 1 })
  const forgotten = (await keys()).filter((key) => /:(waiters|waiting):|:(wake|waited)$/.test(key))
  expect(forgotten.length).toBeGreaterThan(0)
  for (const key of forgotten) await send('DEL', key)
  await driver.worker.complete(handle, null)
  await store().settle()
  expect(first).not.toBe(second)
  expect(await driver.claimIds()).toEqual([])

  const sweep = async () => {
    for (const partition of partitions) await backend.maintenance.reconcileIndexes({ partition, max: 500 })
  }
  // Its waiter may just be on its way.
  await sweep()
  expect(await driver.claimIds()).toEqual([])
  await store().advance(15_000)
  await sweep()
  expect(await driver.claimIds()).toEqual([second])
})

it('a line that its quota knows keeps its place among those that wait', async () => {
  const { backend, partitions } = store()
  const driver = new AdmissionDriver(store())
  await driver.quota({ concurrency: 1 })
  await driver.submitQuota()
  await driver.worker.claimOne()
  const second = await driver.submitQuota()
  expect(await driver.claimIds()).toEqual([])
  await store().advance(15_000)
  for (const partition of partitions) await backend.maintenance.reconcileIndexes({ partition, max: 500 })
  const { execution } = await backend.executions.get({ namespace: store().namespace, id: second })
  expect(execution.publicState).toBe('rate_limited')
})
