import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe.each([
  ['nothing inline', { inlineResolveEdges: 0 }],
  ['the default', {}],
])('when a node runs, with %s', (_, options) => {
  const store = useStore(options)

  const fallback: GraphPlan = {
    a: {},
    b: {},
    rescue: { after: ['a', 'b'], join: { runOn: 'groupImpossible' } },
  }

  it('groupImpossible runs when the join failed', async () => {
    const flow = await FlowDriver.submit(store(), fallback)
    await flow.start('b')
    await flow.end('a', 'failed')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ b: 'active', rescue: 'waiting' })
  })

  it('groupImpossible is skipped when the join held', async () => {
    const flow = await FlowDriver.submit(store(), fallback)
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.state('rescue')).toBe('waiting_children')
    await flow.end('b', 'success')
    await flow.settle()
    expect(await flow.state('rescue')).toBe('skipped')
    expect((await flow.flow()).state).toBe('completed')
  })

  it.each([
    ['success', 'satisfied'],
    ['failed', 'impossible'],
  ] as const)('always waits for its last upstream, then runs after %s', async (outcome, decision) => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      tidy: { after: ['a', 'b'], join: { runOn: 'always' } },
    })
    await flow.end('a', outcome)
    await flow.settle()
    expect(await flow.group('tidy')).toMatchObject({ state: 'pending', released: false })
    expect(await flow.state('tidy')).toBe('waiting_children')
    await flow.end('b', 'success')
    await flow.settle()
    expect(await flow.group('tidy')).toMatchObject({ state: decision, released: true })
    expect(await flow.tryStart('tidy')).toEqual(['tidy'])
  })

  it('settled decides and cancels at once, but runs only when every upstream has ended', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      shared: {},
      other: { after: ['shared'] },
      join: { after: ['a', 'b', 'shared'], join: { policy: { kind: 'any_of' }, settled: true } },
    })
    await flow.start('a', 'b', 'shared')
    await flow.complete('a')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({
      state: 'satisfied',
      released: false,
      cancelPending: false,
    })
    expect(await flow.states()).toMatchObject({ b: 'cancelled', shared: 'active', join: 'waiting_children' })
    await flow.complete('shared')
    await flow.settle()
    expect((await flow.group('join')).released).toBe(true)
    expect(await flow.tryStart('join')).toEqual(['join'])
  })

  it('settled skips only when every upstream has ended, too', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      join: { after: ['a', 'b'], join: { settled: true } },
    })
    await flow.start('b')
    await flow.end('a', 'failed')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({ state: 'impossible', released: false })
    expect(await flow.state('join')).toBe('waiting_children')
    await flow.complete('b')
    await flow.settle()
    expect(await flow.state('join')).toBe('skipped')
  })

  it('fail fast: all_of with cancel_remaining ends the other branches as soon as one fails', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      join: { after: ['a', 'b'], join: { policy: { kind: 'all_of', onImpossible: 'cancel_remaining' } } },
    })
    await flow.start('a', 'b')
    await flow.fail('a')
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'failed', b: 'cancelled', join: 'skipped' })
    expect(await flow.group('join')).toMatchObject({ cancelReason: 'sibling_quorum_impossible' })
  })

  it('all_of that held records no reason, whatever it says about the others', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      join: { after: ['a'], join: { policy: { kind: 'all_of', onImpossible: 'cancel_remaining' } } },
    })
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({
      state: 'satisfied',
      cancelReason: null,
      cancelPending: false,
    })
  })

  it('a finaliser keeps nobody running: an edge to it is no need', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      race: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
      tidy: { after: ['b'], join: { runOn: 'always' } },
    })
    await flow.start('a', 'b')
    await flow.complete('a')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ b: 'cancelled', tidy: 'waiting' })
  })

  it('is resolved once, however often its entry is carried out', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: {}, join: { after: ['a', 'b'] } })
    await flow.end('a', 'success')
    const { generation } = await flow.execution('a')
    for (let twice = 0; twice < 2; twice += 1) {
      const entryId = await store().faults.leaveEntry({ executionId: flow.id('a'), generation })
      await store().backend.resolution.dispatchCompletion({ entryId })
    }
    await flow.settle()
    expect((await flow.group('join')).counters).toEqual({ n: 2, succeeded: 1, failed: 0, skipped: 0 })
    expect(await flow.state('join')).toBe('waiting_children')
  })
})
