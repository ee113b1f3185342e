import { limits, mintExecutionId, type RetentionItem } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { takeSnapshot } from '../../support/snapshot.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const dayMs = 86_400_000

describe('maintenance.trimRetention', () => {
  const store = useStore()

  async function trim(max = 500): Promise<RetentionItem[]> {
    const items: RetentionItem[] = []
    for (const partition of store().partitions) {
      for (let more = true; more; ) {
        const page = await store().backend.maintenance.trimRetention({ partition, max })
        items.push(...page.items)
        more = page.more
      }
    }
    return items
  }
  const isKept = async (id: string) => {
    const { backend, namespace } = store()
    const { items } = await backend.executions.getResult({ namespace, ids: [id as never] })
    return items[0]?.outcome !== 'error'
  }

  async function anEnded(more: Parameters<typeof submitOne>[1] = {}) {
    const id = await submitOne(store(), more)
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    await worker.step(handle, 'x', 'y')
    await worker.emit(handle, 0, ['a', 'b'])
    await worker.emit(handle, 2, ['{"a":1}'], { mode: 'summary' })
    await worker.complete(handle, 'out')
    await store().settle()
    return id
  }

  it("keeps what has ended for a day, or for the lane's or its own time, and what has not for ever", async () => {
    const { backend, namespace } = store()
    const usual = await anEnded()
    const brief = await anEnded({ retentionMs: 1_000 })
    const open = await submitOne(store(), { delayMs: 100 * dayMs, retentionMs: 0 })
    await store().advance(999)
    await trim()
    expect(await isKept(brief)).toBe(true)
    await store().advance(1)
    await trim()
    expect([await isKept(brief), await isKept(usual)]).toEqual([false, true])
    await store().advance(dayMs - 1_001)
    await trim()
    expect(await isKept(usual)).toBe(true)
    await store().advance(1)
    await trim()
    expect([await isKept(usual), await isKept(open)]).toEqual([false, true])

    // The lane's time counts as it is when the execution ends.
    const lane = store().aSolo().lane
    const configure = (retentionMs: number) =>
      backend.lanes.configure({ namespace, lane, settings: { retentionMs } })
    await configure(5_000)
    const ofLane = await anEnded()
    await configure(dayMs)
    await store().advance(5_000)
    await trim()
    expect(await isKept(ofLane)).toBe(false)
  })

  it('leaves nothing behind', async () => {
    const { backend, namespace } = store()
    const executionId = await anEnded({ tags: { 'a.b': 'c' } })
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: { a: 'as' } } })
    await flow.end('a', 'success')
    await flow.settle()
    await flow.end('b', 'failed')
    await flow.settle()
    await store().advance(dayMs)
    await trim()
    const left = await takeSnapshot(backend, namespace, { events: false })
    expect([left.executions, left.flows]).toEqual([[], []])
    for (const lane of (await backend.lanes.list({ namespace })).lanes) {
      expect(Object.values(lane.depth).every((n) => n === 0)).toBe(true)
    }
    expect((await backend.executions.count({ namespace })).count).toBe(0)
    const { attempts, streams } = backend
    const reads = [
      attempts.list,
      attempts.loadSteps,
      attempts.loadUpstream,
      streams.read,
      streams.tail,
      streams.readSummary,
    ]
    for (const read of reads) {
      expect(await codeOf(read({ namespace, executionId }))).toBe('execution_not_found')
    }
    expect(await codeOf(backend.flows.get({ namespace, flowId: flow.flowId }))).toBe('flow_not_found')
    expect(await codeOf(backend.flows.getGraph({ namespace, flowId: flow.flowId }))).toBe('flow_not_found')
  })

  it('keeps a flow as long as its youngest member', async () => {
    const flow = await FlowDriver.submit(store(), { a: { retentionMs: 1_000 }, b: { retentionMs: 5_000 } })
    await flow.end('a', 'success')
    await store().advance(10_000)
    await trim()
    expect(await flow.states()).toEqual({ a: 'completed', b: 'waiting' })
    await flow.end('b', 'success')
    await flow.settle()
    await store().advance(4_999)
    await trim()
    expect(await flow.states()).toEqual({ a: 'completed', b: 'completed' })
    await store().advance(1)
    await trim()
    expect(await codeOf(flow.flow())).toBe('flow_not_found')
  })

  it('works in batches, and says when more is left', async () => {
    const { backend } = store()
    for (let n = 0; n < 3; n += 1) await anEnded({ retentionMs: 0 })
    const before = await Promise.all(
      store().partitions.map((partition) => backend.maintenance.trimRetention({ partition, max: 1 })),
    )
    const removed = before.flatMap(({ items }) => items.filter(({ what }) => what === 'execution'))
    expect(removed.every(({ count }) => count === 1)).toBe(true)
    expect(before.some(({ more }) => more)).toBe(true)
    const counted = (await trim(1)).filter(({ what }) => what === 'execution').map(({ count }) => count)
    expect(counted).toEqual(counted.map(() => 1))
    expect((await backend.executions.count({ namespace: store().namespace })).count).toBe(0)
  })

  it('forgets idempotency keys that have expired', async () => {
    const { backend, namespace } = store()
    const first = store().aSolo({ idempotencyKey: 'k', idempotencyTtlMs: 1_000 })
    await backend.executions.submit({ namespace, items: [first] })
    await store().advance(1_000)
    const items = await trim()
    // A store may let keys go by itself.
    const counts = items.filter(({ what }) => what === 'idempotency_key').map(({ count }) => count)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1)
    const second = store().aSolo({ idempotencyKey: 'k' })
    const again = await backend.executions.submit({ namespace, items: [second] })
    expect(again.items[0]).toEqual({ outcome: 'accepted', id: second.id })
  })

  it('removes events that are older than the feed keeps them, and tells a reader who has not read them', async () => {
    const { backend, namespace, partitions } = store()
    const read = (params: object = {}) => backend.events.read({ namespace, ...params })
    const toldOf = async (params?: object) =>
      (await read(params)).events.map((event) => event.type === 'execution' && event.executionId)
    const submitHere = () => submitOne(store(), { id: mintExecutionId(0) })
    await backend.lanes.configure({
      namespace,
      lane: store().aSolo().lane,
      settings: { eventLevel: 'all' },
    })
    // What other tests left is older.
    await store().advance(1)
    const { cursor: before } = await read({ from: 'now' })
    const early = await submitHere()
    await store().advance(limits.feedAgeMsMax - 1)
    const late = await submitHere()
    await trim()
    expect(await toldOf()).toEqual([early, late])
    const { cursor: between } = await read({ cursor: before, limit: 1 })

    await store().advance(1)
    expect((await trim()).filter(({ what }) => what === 'event')).toEqual([
      { outcome: 'removed', what: 'event', count: 1 },
    ])
    expect(await toldOf()).toEqual([late])
    expect(await codeOf(read({ cursor: before }))).toBe('cursor_expired')
    expect(await toldOf({ cursor: between })).toEqual([late])

    // Whoever goes by the pulse gets to hear of it.
    const pending = async () => (await backend.maintenance.pulse({ partitions })).partitions[0]?.pending
    await store().advance(limits.feedAgeMsMax)
    expect(await pending()).toContain('retention')
    await trim()
    expect(await pending()).not.toContain('retention')
    expect(await toldOf()).toEqual([])
  })

  it('makes room for the id again', async () => {
    const { backend, namespace } = store()
    const solo = store().aSolo({ retentionMs: 0 })
    await backend.executions.submit({ namespace, items: [solo] })
    await store().end(solo)
    await store().settle()
    await trim()
    expect((await backend.executions.submit({ namespace, items: [solo] })).items[0]?.outcome).toBe('accepted')
  })
})
