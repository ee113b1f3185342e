import { describe, expect, it } from 'vitest'
import { FlowDriver, textOf } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('flows.extend', () => {
  const store = useStore({})

  it('grows an open flow, and raises its revision', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect(await flow.extend({ b: { after: { a: 'first' } }, c: {} })).toEqual({
      outcome: 'extended',
      graphRevision: 2,
    })
    expect(await flow.states()).toEqual({ a: 'waiting', b: 'waiting_children', c: 'waiting' })
    expect((await flow.flow()).graphRevision).toBe(2)
    await flow.end('a', 'success')
    await flow.settle()
    await flow.start('b')
    expect(flow.lease('b').upstream.map(({ as, result }) => [as, textOf(result)])).toEqual([
      ['first', 'result of a'],
    ])
  })

  it('an edge from an upstream that ended counts at once', async () => {
    const flow = await FlowDriver.submit(store(), { good: {}, bad: {}, open: {} })
    await flow.end('good', 'success')
    await flow.end('bad', 'failed')
    await flow.settle()
    await flow.extend({
      runs: { after: { good: 'g' } },
      skips: { after: ['bad'] },
      waits: { after: ['good', 'open'] },
      rescue: { after: ['bad'], join: { runOn: 'groupImpossible' } },
    })
    expect(await flow.edgeTo('waits', 'good')).toMatchObject({ state: 'satisfied' })
    expect((await flow.group('waits')).counters).toEqual({ n: 2, succeeded: 1, failed: 0, skipped: 0 })
    await flow.settle()
    expect(await flow.states()).toMatchObject({
      runs: 'waiting',
      skips: 'skipped',
      waits: 'waiting_children',
      rescue: 'waiting',
    })
    await flow.start('runs')
    expect(flow.lease('runs').upstream).toMatchObject([
      { as: 'g', satisfied: true, publicState: 'completed' },
    ])
  })

  it('a member extends the group that it feeds for as long as it runs', async () => {
    const flow = await FlowDriver.submit(store(), { map: {}, join: { after: ['map'] } })
    await flow.start('map')
    const { handle } = flow.lease('map')
    const plan = { part0: {}, part1: {} }
    flow.toGraph(plan)
    const edges = ['part0', 'part1'].map((name) => flow.edge(name, 'join', name))
    expect(await flow.extend(plan, { edges, handle })).toMatchObject({ outcome: 'extended' })
    await flow.complete('map')
    await flow.settle()
    expect(await flow.state('join')).toBe('waiting_children')
    await flow.end('part0', 'success')
    await flow.end('part1', 'success')
    await flow.settle()
    await flow.start('join')
    expect(flow.lease('join').upstream.map(({ as }) => as)).toEqual(['part0', 'part1'])
  })

  it('a root that nobody claimed may be given upstreams, and waits again', async () => {
    const flow = await FlowDriver.submit(store(), { root: {} })
    flow.toGraph({ before: {} })
    expect((await flow.extend({ before: {} }, { edges: [flow.edge('before', 'root')] })).outcome).toBe(
      'extended',
    )
    expect(await flow.tryStart('root')).toEqual([])
    expect(await flow.group('root')).toMatchObject({ join: { policy: { kind: 'all_of' } }, state: 'pending' })
    await flow.end('before', 'success')
    await flow.settle()
    expect(await flow.tryStart('root')).toEqual(['root'])
  })

  it('edge_group_decided refuses the whole call when its target was claimed, has ended or has decided', async () => {
    const flow = await FlowDriver.submit(store(), {
      claimed: {},
      ended: {},
      up: {},
      decided: { after: ['up'] },
      free: { after: ['up'] },
    })
    await flow.start('claimed')
    await flow.end('ended', 'failed')
    await flow.end('up', 'success')
    await flow.settle()
    for (const target of ['claimed', 'ended', 'decided']) {
      const name = `before-${target}`
      flow.toGraph({ [name]: {} })
      const before = await flow.graph()
      const answer = await flow.extend({ [name]: {} }, { edges: [flow.edge(name, target)] })
      expect(answer).toEqual({ outcome: 'edge_group_decided', ids: [flow.id(target)] })
      expect(await flow.graph()).toEqual(before)
      expect((await flow.flow()).graphRevision).toBe(1)
    }
  })

  it('a repeat answers duplicate, and other content under known ids execution_conflict', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    const plan = { b: { after: ['a'] } }
    await flow.extend(plan)
    const before = await flow.graph()
    expect(await flow.extend(plan)).toEqual({ outcome: 'duplicate', graphRevision: 2 })
    expect(await flow.extend({ b: { after: ['a'], input: new Uint8Array([1]) } })).toEqual({
      outcome: 'execution_conflict',
    })
    expect(await flow.graph()).toEqual(before)
  })

  it('refuses a revision that is not the present one', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect(await flow.extend({ b: {} }, { expectedRevision: 2 })).toEqual({
      outcome: 'graph_revision_mismatch',
      graphRevision: 1,
    })
    expect((await flow.extend({ b: {} }, { expectedRevision: 1 })).outcome).toBe('extended')
    expect((await flow.extend({ c: {} }, { expectedRevision: 1 })).outcome).toBe('graph_revision_mismatch')
  })

  it('is fenced when a worker calls it', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await flow.start('a')
    const { handle } = flow.lease('a')
    await flow.complete('a')
    expect(await flow.extend({ b: {} }, { handle })).toMatchObject({ outcome: 'execution_not_active' })
    await expect(flow.extend({ b: {} }, { handle: 'no handle' })).rejects.toMatchObject({
      code: 'invalid_handle',
    })
    expect(Object.keys(await flow.states())).toEqual(['a'])
  })

  it.each(['completed', 'cancelled', 'cancelling'] as const)(
    'is flow_not_open on a %s flow',
    async (flowState) => {
      const flow = await FlowDriver.submit(store(), { a: {} })
      if (flowState === 'cancelling') await flow.start('a')
      if (flowState === 'completed') await flow.end('a', 'success')
      else await flow.cancel('cancel_pending')
      await flow.settle()
      expect(await flow.extend({ b: {} })).toEqual({ outcome: 'flow_not_open', flowState })
      expect(Object.keys(await flow.states())).toEqual(['a'])
    },
  )

  it('refuses what closes a cycle with what is there, names that are taken and nodes of other flows', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] }, c: { after: ['b'] } })
    const other = await FlowDriver.submit(store(), { x: {} })
    const before = await flow.graph()
    flow.toGraph({ d: {} })
    await expect(
      flow.extend({ d: { after: ['c'] } }, { edges: [flow.edge('d', 'b')] }),
    ).rejects.toMatchObject({ code: 'cycle' })
    await expect(flow.extend({}, { edges: [flow.edge('a', 'b')] })).resolves.toMatchObject({
      outcome: 'duplicate',
    })
    await expect(
      flow.extend({ d: {} }, { edges: [{ from: other.id('x'), to: flow.id('d') }] }),
    ).rejects.toMatchObject({ kind: 'validation' })
    const taken = flow.toGraph({ e: {} }).nodes.map((node) => ({ ...node, name: 'a' }))
    const { backend, namespace } = store()
    await expect(
      backend.flows.extend({ namespace, flowId: flow.flowId, nodes: taken, edges: [] }),
    ).rejects.toMatchObject({ code: 'duplicate_name' })
    expect(await flow.graph()).toEqual(before)
  })
})

describe('flows.extend, where ends resolve nothing themselves', () => {
  const store = useStore({ inlineResolveEdges: 0 })

  it('counts the edges that it adds, and leaves those alone whose ends wait in the outbox', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: {}, join: { after: ['a'] } })
    await flow.end('a', 'success')
    await flow.end('b', 'success')
    await flow.extend({}, { edges: [flow.edge('b', 'join')] })
    expect(await flow.edgeTo('join', 'a')).toMatchObject({ state: 'pending' })
    expect(await flow.edgeTo('join', 'b')).toMatchObject({ state: 'satisfied' })
    expect((await flow.group('join')).counters).toEqual({ n: 2, succeeded: 1, failed: 0, skipped: 0 })
    expect(await flow.state('join')).toBe('waiting_children')
    await flow.settle()
    expect(await flow.state('join')).toBe('waiting')
  })

  it('an extend that comes before the settlement wins', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await flow.end('a', 'success')
    // The last end is recorded, and nobody has looked at it yet.
    const answer = await flow.extend({ b: { after: ['a'] } })
    expect(answer.outcome).toBe('extended')
    await flow.settle()
    expect((await flow.flow()).state).toBe('open')
    await flow.end('b', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('completed')
  })
})
