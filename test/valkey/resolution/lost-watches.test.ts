import { mintExecutionId, parseLaneId, partitionIndexOf } from '@flowfabric/core'
import { expect, it } from 'vitest'
import { readOne, submitOne } from '../../support/builders.js'
import { createValkeyKeys } from '../../support/faults/valkey-keys.js'
import { SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const store = useStore({ name: 'valkey' }, { faulty: true })
const lane = parseLaneId('children')

it('a parent goes on although a fail-over has taken along that it waits for its child', async () => {
  const { backend, opened, partitions } = store()
  if (!('send' in opened.inside)) throw new Error('a Valkey was opened')
  const keys = createValkeyKeys(opened.inside, partitions)
  const driver = new SuspensionDriver(store())
  const waiting = await driver.active()
  const child = mintExecutionId(1 - partitionIndexOf(waiting.id))
  await submitOne(store(), { id: child, lane })
  await driver.suspend(waiting, { reason: 'child', condition: { kind: 'child', id: child } })
  await store().settle()
  await opened.inside.send('DEL', keys.execution(child, 'watchers'))
  const worker = new WorkerDriver(store(), { lanes: [lane] })
  await worker.complete((await worker.claimOne()).handle, 'done')
  await store().settle()
  const stateOfParent = async () => (await readOne(store(), waiting.id)).publicState
  expect(await stateOfParent()).toBe('suspended')

  const sweep = async () => {
    for (const partition of partitions) await backend.maintenance.reconcileIndexes({ partition, max: 500 })
    await store().settle()
  }
  // Whoever has only just begun to wait is left alone.
  await sweep()
  expect(await stateOfParent()).toBe('suspended')
  await store().advance(15_000)
  await sweep()
  expect(await stateOfParent()).toBe('resumable')
})
