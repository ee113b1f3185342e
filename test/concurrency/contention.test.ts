import { describe, expect, it } from 'vitest'
import { createStoreFaults } from '../support/faults/open.js'
import { FlowDriver } from '../support/flow-driver.js'
import { useStore } from '../support/use-store.js'

describe('contention', () => {
  const store = useStore({ inlineResolveEdges: 0 })
  const pair = () => FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })

  it.each([
    ['40001', true],
    ['40P01', true],
    ['55P03', true],
    ['23505', false],
  ])('SQLSTATE %s of a hop is retried: %s', async (sqlState, retried) => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.end('a', 'success')
    const entryId = await store().entryOf(flow.id('a'))
    const faults = createStoreFaults(store().opened)
    const fault = await faults.raiseInGroupWrites(flow.id('b'), sqlState)
    const code = retried ? 'retry_exhausted' : expect.not.stringMatching('retry_exhausted')
    await expect(store().backend.resolution.dispatchCompletion({ entryId })).rejects.toMatchObject({ code })
    expect(await fault.tries()).toBe(retried ? 3 : 1)
    await fault.undo()
    expect(await store().entryOf(flow.id('a'))).toBe(entryId)
    expect(await store().backend.resolution.dispatchCompletion({ entryId })).toMatchObject({
      outcome: 'advanced',
    })
    expect(await flow.state('b')).toBe('waiting')
  })

  it('three tries with 5 and 10 ms between, and nothing is decided by them', async () => {
    const flow = await pair()
    await flow.end('a', 'success')
    const entryId = await store().entryOf(flow.id('a'))
    const fault = await createStoreFaults(store().opened).raiseInGroupWrites(flow.id('b'), '55P03')
    const startedAt = performance.now()
    await expect(store().backend.resolution.dispatchCompletion({ entryId })).rejects.toMatchObject({
      code: 'retry_exhausted',
      kind: 'contention',
      retry: 'safe',
    })
    expect(performance.now() - startedAt).toBeGreaterThan(14)
    expect(await fault.tries()).toBe(3)
    await fault.undo()
    expect(await store().entryOf(flow.id('a'))).toBe(entryId)
    expect((await flow.group('b')).counters.succeeded).toBe(0)
    // Put off, but whoever names it may carry it out at once.
    expect(await store().backend.resolution.dispatchCompletion({ entryId })).toMatchObject({
      edges: 1,
      satisfied: 1,
    })
    expect(await flow.tryStart('b')).toEqual(['b'])
  })

  it('an entry that was given up stays in the outbox, and does not stop its neighbours', async () => {
    const [stuck, free] = [await pair(), await pair()]
    await stuck.end('a', 'success')
    await free.end('a', 'success')
    const fault = await createStoreFaults(store().opened).raiseInGroupWrites(stuck.id('b'), '40001')
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.dispatchCompletions({ partition, max: 10 })).items)
    expect(items.map(({ outcome }) => outcome)).toContain('retry_exhausted')
    expect(await free.tryStart('b')).toEqual(['b'])
    await store().entryOf(stuck.id('a'))
    await fault.undo()
    await store().advance(60_000)
    await stuck.settle()
    expect(await stuck.tryStart('b')).toEqual(['b'])
  })
})
