import { mintOperationId, mintSoloExecutionId } from '@flowfabric/core'
import { foundationScanners } from '@flowfabric/scanners'
import { afterEach, describe, expect, it } from 'vitest'
import { kind, lane, namespace, openStage, type Stage } from './stage.js'

let stage: Stage

afterEach(() => stage.close())

async function submit(count: number): Promise<void> {
  const { flow } = stage.model.store.partitions
  const items = Array.from({ length: count }, () => ({
    id: mintSoloExecutionId({ namespace, lane, shards: 1, count: flow }),
    kind,
    lane,
    input: null,
  }))
  await stage.model.executions.submit({ namespace, items })
}

async function cancelAll() {
  const name = { namespace, operationId: mintOperationId() }
  await stage.model.operations.create({ ...name, work: { kind: 'cancel', filter: { lane } } })
  return async () => (await stage.model.operations.get(name)).operation
}

describe('a bulk operation', () => {
  it('begins at once, and goes on until it is done', async () => {
    stage = openStage()
    await stage.openEngine().start()
    await submit(20)
    await stage.clock.advance(1_234)
    const read = await cancelAll()
    await stage.clock.advance(20)
    expect(await read()).toMatchObject({ state: 'completed', done: 20, total: 20 })
  })

  it('begins within a second when every hint is lost', async () => {
    stage = openStage()
    await stage.openEngine().start()
    stage.passHint = () => false
    await submit(3)
    await stage.clock.advance(1_234)
    const read = await cancelAll()
    await stage.clock.advance(1_200)
    expect(await read()).toMatchObject({ state: 'completed', done: 3 })
  })

  it('never begins without its scanner, and is done when that is back', async () => {
    stage = openStage()
    const scanners = foundationScanners().filter(({ name }) => name !== 'operation_runner')
    const without = stage.openEngine({ scanners })
    await without.start()
    await submit(3)
    const read = await cancelAll()
    await stage.clock.advance(30_000)
    expect(await read()).toMatchObject({ state: 'running', done: 0, total: null })
    const stopped = without.stop({ graceMs: 0 })
    await stage.clock.advance(0)
    await stopped
    await stage.openEngine().start()
    await stage.clock.advance(1_000)
    expect(await read()).toMatchObject({ state: 'completed', done: 3 })
  })

  it('waits while it is paused, at no cost', async () => {
    stage = openStage()
    await stage.openEngine().start()
    await submit(3)
    const name = { namespace, operationId: mintOperationId() }
    const { operations } = stage.model
    await operations.create({ ...name, work: { kind: 'cancel', filter: { lane } } })
    await operations.pause(name)
    await stage.clock.advance(10_000)
    expect((await operations.get(name)).operation).toMatchObject({ state: 'paused', done: 0 })
    await operations.resume(name)
    await stage.clock.advance(20)
    expect((await operations.get(name)).operation).toMatchObject({ state: 'completed', done: 3 })
  })
})
