import { mintEntryId } from '@flowfabric/core'
import { createMemoryMeter, createPartitionRouter } from '@flowfabric/engine'
import { afterEach, describe, expect, it } from 'vitest'
import { flowPartitions } from '../support/drive.js'
import { FlowDriver } from '../support/flow-driver.js'
import { namespace, openStage, type Stage } from './stage.js'

let stage: Stage

afterEach(() => stage.close())

describe('an engine', () => {
  it('refuses a router with other counts than the store’s, naming both', async () => {
    stage = openStage({ partitionCount: 4 })
    const engine = stage.openEngine({ router: createPartitionRouter({ flow: 8, budget: 1, quota: 8 }) })
    await expect(engine.start()).rejects.toMatchObject({
      code: 'partition_count_mismatch',
      details: { stored: 4, configured: 8 },
    })
  })

  it('says what it is while it starts, runs and stops; starting and stopping twice is one', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    expect(engine.health()).toMatchObject({ state: 'created', isReady: false })
    expect(() => engine.router).toThrowError()
    await engine.start()
    await engine.start()
    await stage.clock.advance(100)
    expect(engine.health()).toMatchObject({ state: 'running', isReady: true, partitionsOwned: 13 })
    expect(engine.router.countOf('flow')).toBe(4)
    const [first, second] = [engine.stop(), engine.stop()]
    await stage.clock.advance(100)
    await Promise.all([first, second])
    expect(engine.health()).toMatchObject({ state: 'stopped', isReady: false })
    expect((await stage.model.engines.list()).engines).toEqual([])
    expect(stage.model.store.listeners.size).toBe(0)
  })

  it('may be stopped without having been started', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.stop()
    expect(stage.clock.pending).toBe(0)
    expect(stage.totalCalls()).toBe(0)
  })

  it('counts every call of the store by operation and by how it ended', async () => {
    stage = openStage()
    const meter = createMemoryMeter()
    const engine = stage.openEngine({ scanners: [], meter })
    await engine.start()
    const id = await stage.submit()
    await engine.backend.executions.get({ namespace, id })
    const unknown = engine.router.mintSoloId({ namespace, lane: 'default' })
    await expect(engine.backend.executions.get({ namespace, id: unknown })).rejects.toMatchObject({
      code: 'execution_not_found',
    })
    const calls = (outcome: string) =>
      meter.read('store_calls_total', { operation: 'executions.get', outcome })
    expect([calls('ok'), calls('not_found')]).toEqual([1, 1])
  })
})

describe('the dispatcher', () => {
  it('carries an entry on once: the second call is a noop', async () => {
    stage = openStage({ inlineResolveEdges: 0, partitionCount: 2 })
    const engine = stage.openEngine({ scanners: [] })
    await engine.start()
    const flow = await FlowDriver.submit(
      { backend: stage.model, namespace, partitions: flowPartitions(2) },
      { a: {}, b: { after: ['a'] }, c: { after: ['a'] }, d: { after: ['a'] } },
    )
    await flow.end('a', 'success')
    const [entryId] = stage.model.store.outbox.keys()
    if (entryId === undefined) throw new Error('nothing in the outbox')
    expect(await engine.dispatcher.dispatch(entryId)).toMatchObject({ outcome: 'advanced', edges: 3 })
    expect(await engine.dispatcher.dispatch(entryId)).toEqual({ outcome: 'noop' })
    expect(engine.metrics.read('dispatch_total', { outcome: 'advanced' })).toBe(1)
    expect(engine.metrics.read('dispatch_total', { outcome: 'noop' })).toBe(1)
    expect(engine.metrics.read('edges_resolved_total', { decision: 'satisfied' })).toBe(3)
    expect(await flow.states()).toMatchObject({ b: 'waiting', c: 'waiting', d: 'waiting' })
  })

  it('an entry that was never issued is a noop', async () => {
    stage = openStage()
    const engine = stage.openEngine({ scanners: [] })
    await engine.start()
    expect(await engine.dispatcher.dispatch(mintEntryId(0))).toEqual({ outcome: 'noop' })
  })
})
