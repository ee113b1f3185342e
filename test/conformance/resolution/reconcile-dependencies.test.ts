import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('resolution.reconcileDependencies', () => {
  const store = useStore({ inlineResolveEdges: 0 })

  async function reconcile() {
    const items = []
    for (const partition of store().partitions)
      items.push(...(await store().backend.resolution.reconcileDependencies({ partition, max: 100 })).items)
    return items
  }

  it('dependency reconciler finds nothing when healthy and everything when not', async () => {
    const healthy = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] }, c: { after: ['b'] } })
    await healthy.end('a', 'success')
    await healthy.settle()
    expect(await reconcile()).toEqual([])

    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: { after: ['a'] },
      c: { after: ['a'] },
      race: { after: ['b', 'c'], join: { policy: { kind: 'any_of' } } },
    })
    await flow.end('a', 'success')
    await store().faults.dropOutbox()
    expect(await flow.states()).toMatchObject({ b: 'waiting_children', c: 'waiting_children' })
    const found = await reconcile()
    expect(found.filter(({ outcome }) => outcome === 'edge_resolved')).toHaveLength(2)
    expect(new Set(found.map(({ executionId }) => executionId))).toEqual(
      new Set([flow.id('b'), flow.id('c')]),
    )
    expect(await flow.tryStart('b', 'c')).toEqual(expect.arrayContaining(['b', 'c']))
    await flow.complete('b')
    await store().faults.dropOutbox()
    await reconcile()
    expect(await flow.group('race')).toMatchObject({ state: 'satisfied', counters: { n: 2, succeeded: 1 } })
    expect(await flow.state('race')).toBe('waiting')
    await flow.settle()
    expect(await flow.state('c')).toBe('cancelled')
    expect(await reconcile()).toEqual([])
  })

  it('moves a cascade of skips on, one level a pass at the slowest', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: { after: ['a'] },
      c: { after: ['b'] },
      d: { after: ['c'] },
    })
    await flow.end('a', 'failed')
    for (let level = 0; level < 3; level += 1) {
      await store().faults.dropOutbox()
      await reconcile()
    }
    expect(await flow.states()).toEqual({ a: 'failed', b: 'skipped', c: 'skipped', d: 'skipped' })
  })

  it('leaves alone what waits by right', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.start('a')
    const before = await flow.graph()
    expect(await reconcile()).toEqual([])
    expect(await flow.graph()).toEqual(before)
  })

  it('stored policy of a newer version', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      newer: { after: ['a'], join: { policy: { kind: 'any_of' } } },
      older: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
    })
    await store().faults.storePolicyKind(flow.id('newer'), 'weighted_of')
    await store().faults.storePolicyKind(flow.id('older'), null)
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.group('newer')).toMatchObject({
      join: null,
      state: 'pending',
      counters: { n: 1, succeeded: 1 },
    })
    expect(await flow.state('newer')).toBe('waiting_children')
    const found = (await reconcile()).filter(({ executionId }) => executionId === flow.id('newer'))
    expect(found).toEqual([{ outcome: 'unknown_policy', flowId: flow.flowId, executionId: flow.id('newer') }])
    const { backend, namespace } = store()
    const facts = await backend.executions.explainFacts({ namespace, id: flow.id('newer') })
    expect(facts.group).toMatchObject({ join: null, storedPolicy: expect.stringContaining('weighted_of') })
    // With no kind at all it acts as all_of: one success of two decides nothing.
    expect(await flow.group('older')).toMatchObject({
      join: { policy: { kind: 'all_of' } },
      state: 'pending',
    })
    await flow.end('b', 'success')
    await flow.settle()
    expect(await flow.state('older')).toBe('waiting')
  })
})
