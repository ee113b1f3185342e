import { mintEntryId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'

import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { isSoak, rounds } from '../../support/soak.js'
import { useStore } from '../../support/use-store.js'

const fan = (n: number): GraphPlan =>
  Object.fromEntries([
    ['a', {}],
    ...Array.from({ length: n }, (_, i) => [`c${i}`, { after: ['a'] }] as const),
  ])

const names = (n: number) => Array.from({ length: n }, (_, i) => `c${i}`)

describe('dispatch, with nothing resolved inline', () => {
  const store = useStore({ inlineResolveEdges: 0 })

  it('fan-out advances once', async () => {
    const flow = await FlowDriver.submit(store(), fan(3))
    await flow.end('a', 'success')
    expect(await flow.states()).toMatchObject({ c0: 'waiting_children', c2: 'waiting_children' })
    const entryId = await store().entryOf(flow.id('a'))
    const { dispatchCompletion } = store().backend.resolution
    expect(await dispatchCompletion({ entryId })).toEqual({
      outcome: 'advanced',
      edges: 3,
      satisfied: 3,
      impossible: 0,
      skipped: 0,
      corrupt: [],
    })
    const before = await flow.graph()
    expect(await dispatchCompletion({ entryId })).toEqual({ outcome: 'noop' })
    expect(await flow.graph()).toEqual(before)
    for (const name of names(3))
      expect((await flow.group(name)).counters).toEqual({ n: 1, succeeded: 1, failed: 0, skipped: 0 })
    expect((await flow.tryStart(...names(3))).sort()).toEqual(names(3))
  })

  it('leaf is advanced zero', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, leaf: { after: ['a'] } })
    await flow.end('a', 'success')
    await flow.settle()
    await flow.end('leaf', 'success')
    const entryId = await store().entryOf(flow.id('leaf'))
    const { dispatchCompletion } = store().backend.resolution
    expect(await dispatchCompletion({ entryId })).toMatchObject({ outcome: 'advanced', edges: 0 })
    expect(await dispatchCompletion({ entryId })).toEqual({ outcome: 'noop' })
  })

  it('solo is advanced zero', async () => {
    const { backend, namespace } = store()
    const solo = store().aSolo()
    await backend.executions.submit({ namespace, items: [solo] })
    await store().end(solo)
    const before = await backend.executions.get({ namespace, id: solo.id })
    const entryId = await store().entryOf(solo.id)
    expect(await backend.resolution.dispatchCompletion({ entryId })).toEqual({
      outcome: 'advanced',
      edges: 0,
      satisfied: 0,
      impossible: 0,
      skipped: 0,
      corrupt: [],
    })
    expect(await backend.resolution.dispatchCompletion({ entryId })).toEqual({ outcome: 'noop' })
    expect(await backend.executions.get({ namespace, id: solo.id })).toEqual(before)
  })

  it('unknown entry is noop', async () => {
    const entryId = mintEntryId(0)
    expect(await store().backend.resolution.dispatchCompletion({ entryId })).toEqual({ outcome: 'noop' })
  })

  it('two dispatchers, one entry', async () => {
    for (let round = 0; round < rounds(1_000); round += 1) {
      const flow = await FlowDriver.submit(store(), fan(2))
      await flow.end('a', 'success')
      const entryId = await store().entryOf(flow.id('a'))
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => store().backend.resolution.dispatchCompletion({ entryId })),
      )
      const advanced = answers.filter(({ outcome }) => outcome === 'advanced')
      expect(advanced, `round ${round}`).toHaveLength(1)
      for (const name of names(2))
        expect((await flow.group(name)).counters).toEqual({ n: 1, succeeded: 1, failed: 0, skipped: 0 })
    }
  })

  it('replay against a late completion', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.end('a', 'success')
    const entryId = await store().entryOf(flow.id('a'))
    expect((await flow.replay(['a'])).outcome).toBe('replayed')
    expect(await store().backend.resolution.dispatchCompletion({ entryId })).toEqual({ outcome: 'noop' })
    expect(await flow.states()).toEqual({ a: 'waiting', b: 'waiting_children' })
    await flow.end('a', 'success')
    await flow.settle()
    expect((await flow.execution('a')).generation).toBe(2)
    expect(await flow.tryStart('b')).toEqual(['b'])
    expect((await flow.group('b')).counters).toEqual({ n: 1, succeeded: 1, failed: 0, skipped: 0 })
  })

  it('non-terminal upstream decides nothing', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    const { generation } = await flow.execution('a')
    const before = await flow.graph()
    const entryId = await store().faults.leaveEntry({ executionId: flow.id('a'), generation })
    expect(await store().backend.resolution.dispatchCompletion({ entryId })).not.toMatchObject({ edges: 1 })
    expect(await flow.graph()).toEqual(before)
    await flow.start('a')
    const running = await flow.graph()
    const again = await store().faults.leaveEntry({ executionId: flow.id('a'), generation })
    await store().backend.resolution.dispatchCompletion({ entryId: again })
    expect(await flow.graph()).toEqual(running)
  })
})

describe('cascades', () => {
  const store = useStore({})

  it('deep skip chain', async () => {
    const depth = 200
    const plan = Object.fromEntries([
      ['n0', {}],
      ...Array.from({ length: depth }, (_, i) => [`n${i + 1}`, { after: [`n${i}`] }] as const),
    ])
    const flow = await FlowDriver.submit(store(), plan)
    const startedAt = performance.now()
    await flow.end('n0', 'failed')
    await flow.settle()
    const tookMs = performance.now() - startedAt
    const { n0, ...rest } = await flow.states()
    expect(n0).toBe('failed')
    expect(Object.keys(rest)).toHaveLength(depth)
    expect(new Set(Object.values(rest))).toEqual(new Set(['skipped']))
    expect((await flow.flow()).state).toBe('failed')
    // The bar is 1 s on a machine of its own; here other test files run beside it.
    expect(tookMs).toBeLessThan(isSoak ? 1_000 : 5_000)
  })

  it('bound reached goes to the outbox', async () => {
    const children = 999
    const flow = await FlowDriver.submit(store(), fan(children))
    await flow.end('a', 'success')
    const counts = async () => {
      const states = Object.values(await flow.states())
      return states.filter((state) => state === 'waiting').length
    }
    expect(await counts()).toBeLessThanOrEqual(64)
    const { dispatchCompletion } = store().backend.resolution
    let released = await counts()
    while (released < children) {
      const entryId = await store().entryOf(flow.id('a'))
      const answer = await dispatchCompletion({ entryId })
      if (answer.outcome !== 'advanced') throw new Error(`the rest is not in the outbox: ${answer.outcome}`)
      expect(answer.edges).toBeGreaterThan(0)
      expect(answer.edges).toBeLessThanOrEqual(64)
      released += answer.edges
      expect(await counts()).toBe(released)
    }
    await flow.settle()
    let claimed = 0
    // Each node is a route of its own here, and a claim asks only so many.
    for (const some of chunks(names(children), 64)) claimed += (await flow.tryStart(...some)).length
    expect(claimed).toBe(children)
  }, 60_000)
})

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  )
}
