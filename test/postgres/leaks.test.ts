import { limits, makePartitionTag, mintOperationId, parseNamespace } from '@flowfabric/core'
import { expect, it, onTestFinished } from 'vitest'
import { createTestBackend, type SqlInside } from '../support/backends.js'
import { submitOne } from '../support/builders.js'
import { cleanUp } from '../support/clean-up.js'
import { FlowDriver } from '../support/flow-driver.js'
import { inNamespace } from '../support/use-store.js'
import { WebhookDriver } from '../support/webhook-driver.js'
import { WorkerDriver } from '../support/worker-driver.js'

/** What remains when everything is trimmed: the deployment, and what lanes and routes there were. */
const lasting = ['deployment', 'lane', 'lane_depth', 'route', 'event_head', 'migration']

it('leaves no row of what is trimmed, however long its streams are', { timeout: 120_000 }, async () => {
  const opened = await createTestBackend({ name: 'postgres18' })
  onTestFinished(() => opened.close())
  const store = inNamespace(opened, parseNamespace('leaks'))
  const { pool, schema } = opened.inside as SqlInside

  const rowsLeft = async () => {
    const { rows } = await pool.query(
      'select table_name as name from information_schema.tables where table_schema = $1 order by 1',
      [schema],
    )
    const left: Record<string, number> = {}
    for (const name of rows.map((row) => String(row.name)).filter((table) => !lasting.includes(table))) {
      const counted = await pool.query(`select count(*)::integer as n from "${schema}"."${name}"`)
      const count = Number(counted.rows[0]?.n)
      if (count > 0) left[name] = count
    }
    return left
  }

  await submitOne(store)
  const worker = new WorkerDriver(store)
  const { handle } = await worker.claimOne()
  await worker.step(handle, 'a step', 'its result')
  // More than one transaction removes.
  for (let from = 0; from < limits.streamFramesMax; from += 250)
    await worker.emit(handle, from, Array(250).fill(''))
  await worker.emit(handle, limits.streamFramesMax, ['{"a":1}', '{"b":2}'], { mode: 'summary' })
  await worker.complete(handle, 'result')
  const flow = await FlowDriver.submit(store, { a: {}, b: { after: { a: 'as' } } })
  await flow.start('a')
  await worker.emit(flow.lease('a').handle, 0, ['{"a":1}'], { mode: 'summary' })
  await flow.cancel('cancel_all')
  await store.settle()
  expect(await rowsLeft()).toMatchObject({ stream: 2, stream_summary: 2, stream_frame: 10_003, step: 1 })

  const { operations } = opened.backend
  const name = { namespace: store.namespace, operationId: mintOperationId() }
  await operations.create({ ...name, work: { kind: 'cancel', filter: {} } })
  const scan = { partition: makePartitionTag('quota', 0), max: 100 }
  await operations.advance(scan)
  expect(await rowsLeft()).toMatchObject({ operation: 1 })
  await store.advance(limits.operationRetentionMs)
  await operations.advance(scan)

  const webhook = await WebhookDriver.put(store)
  await webhook.pass()
  expect(await rowsLeft()).toMatchObject({ webhook: 1 })
  await opened.backend.webhooks.delete(webhook.name)

  await cleanUp(opened.backend, opened.partitions)
  await store.settle()
  expect(await rowsLeft()).toEqual({})
})
