import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

/** What systems of this kind fell into, as far as it concerns flows; each test has the name of its hazard. */
describe('hazards of flows', () => {
  const store = useStore({ inlineResolveEdges: 0 })

  it('a member can be claimed before its edges exist', async () => {
    const flow = new FlowDriver(store())
    const { backend, namespace } = store()
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    // Both nodes are there, and the edge between them comes later.
    await flow.extend({ a: {}, b: {} })
    expect(await flow.tryStart('a', 'b')).toEqual([])
    await flow.extend({}, { edges: [flow.edge('a', 'b')] })
    await backend.flows.seal({ namespace, flowId: flow.flowId })
    await flow.settle()
    expect(await flow.tryStart('a', 'b')).toEqual(['a'])
  })

  it('a group decides before all its edges are known', async () => {
    const flow = new FlowDriver(store())
    const { backend, namespace } = store()
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend({ a: {}, join: { after: ['a'], join: { policy: { kind: 'quorum', k: 1 } } } })
    await flow.extend({ c: {} })
    await flow.extend({}, { edges: [flow.edge('c', 'join')] })
    await backend.flows.seal({ namespace, flowId: flow.flowId })
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({ state: 'pending', counters: { n: 2 } })
    // A quorum that is larger than what is known so far must not turn impossible on its first success.
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({ state: 'satisfied' })
  })

  it('an edge added after its upstream ended waits for a slow reconciler, or for ever', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, keeps: {} })
    await flow.end('a', 'success')
    await flow.settle()
    await flow.extend({ b: { after: ['a'] } })
    // No dispatcher and no reconciler ran in between.
    expect(await flow.tryStart('b')).toEqual(['b'])
  })

  it('skipping or cancelling a child leaves its lease, its index entries and its timers behind', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: { timeouts: { deadlineMs: 30_000, attemptTimeoutMs: 20_000 } },
      c: { after: ['a'], delayMs: 10_000, timeouts: { deadlineMs: 30_000, queueTtlMs: 20_000 } },
      race: { after: ['a', 'b'], join: { policy: { kind: 'quorum', k: 2 } } },
    })
    await flow.start('a', 'b')
    await flow.fail('a')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ b: 'cancelled', c: 'skipped', race: 'skipped' })
    for (const name of ['b', 'c'])
      expect(await flow.execution(name)).toMatchObject({ lease: null, notBeforeMs: null, held: false })
    await store().expectNoIndexFindings()
    const before = await flow.graph()
    await store().pass(120_000)
    expect(await flow.graph()).toEqual(before)
  })

  it('replay does not reopen joins, so flow members can never run again', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      join: { after: ['a', 'b'] },
      end: { after: ['join'] },
    })
    await flow.end('a', 'success')
    await flow.end('b', 'failed')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ join: 'skipped', end: 'skipped' })
    await flow.replay('failed')
    await flow.settle()
    for (const name of ['b', 'join', 'end']) {
      await flow.end(name, 'success')
      await flow.settle()
    }
    expect((await flow.flow()).state).toBe('completed')
  })

  it('replay races a completion message and a live child is skipped', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.end('a', 'failed')
    const message = await store().entryOf(flow.id('a'))
    await flow.replay(['a'])
    await flow.settle()
    await flow.end('a', 'success')
    // The failure's message comes after the success, and decides nothing: the record does.
    await store().backend.resolution.dispatchCompletion({ entryId: message })
    const older = await store().faults.leaveEntry({ executionId: flow.id('a'), generation: 1 })
    expect(await store().backend.resolution.dispatchCompletion({ entryId: older })).toEqual({
      outcome: 'noop',
    })
    expect(await flow.state('b')).toBe('waiting_children')
    await flow.settle()
    expect(await flow.tryStart('b')).toEqual(['b'])
  })

  it('counters in a join are bumped twice by a duplicate event', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      join: { after: ['a', 'b'], join: { policy: { kind: 'quorum', k: 2 } } },
    })
    await flow.end('a', 'success')
    const { generation } = await flow.execution('a')
    for (let copies = 0; copies < 3; copies += 1)
      await store().faults.leaveEntry({ executionId: flow.id('a'), generation })
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({ state: 'pending', counters: { n: 2, succeeded: 1 } })
    expect(await flow.tryStart('join')).toEqual([])
  })

  it('an outbox event is marked dispatched before its work is done; a crash half-way loses the rest', async () => {
    const children = 150
    const plan: GraphPlan = Object.fromEntries([
      ['a', {}],
      ...Array.from({ length: children }, (_, i) => [`c${i}`, { after: ['a'] }] as const),
    ])
    const flow = await FlowDriver.submit(store(), plan)
    await flow.end('a', 'success')
    const entryId = await store().entryOf(flow.id('a'))
    const first = await store().backend.resolution.dispatchCompletion({ entryId })
    expect(first).toMatchObject({ outcome: 'advanced', edges: 64 })
    // Its dispatcher is gone; the entry is still there for another one.
    expect(await store().entryOf(flow.id('a'))).toBe(entryId)
    const other = store().opened.reopen()
    expect(await other.resolution.dispatchCompletion({ entryId })).toMatchObject({
      outcome: 'advanced',
      edges: 64,
    })
    expect(await other.resolution.dispatchCompletion({ entryId })).toMatchObject({
      outcome: 'advanced',
      edges: 22,
    })
    expect(await other.resolution.dispatchCompletion({ entryId })).toEqual({ outcome: 'noop' })
    expect(new Set(Object.values(await flow.states()))).toEqual(new Set(['completed', 'waiting']))
  })

  it('a cascade runs in one transaction or one script over the whole subgraph', async () => {
    const depth = 30
    const plan: GraphPlan = Object.fromEntries([
      ['n0', {}],
      ...Array.from({ length: depth }, (_, i) => [`n${i + 1}`, { after: [`n${i}`] }] as const),
    ])
    const flow = await FlowDriver.submit(store(), plan)
    await flow.end('n0', 'failed')
    const entryId = await store().entryOf(flow.id('n0'))
    const hop = await store().backend.resolution.dispatchCompletion({ entryId })
    expect(hop).toMatchObject({ edges: 1, skipped: 1 })
    expect(await flow.states()).toMatchObject({ n1: 'skipped', n2: 'waiting_children' })
    await flow.settle()
    expect(await flow.state(`n${depth}`)).toBe('skipped')
  })

  it("an operator's cancel or an expiry emits no completion, and the downstream never learns", async () => {
    const flow = await FlowDriver.submit(store(), {
      cancelled: {},
      expired: { timeouts: { deadlineMs: 1_000 } },
      worn: { maxReclaims: 0 },
      b: { after: ['cancelled'], join: { runOn: 'groupImpossible' } },
      c: { after: ['expired'], join: { runOn: 'groupImpossible' } },
      d: { after: ['worn'], join: { runOn: 'groupImpossible' } },
    })
    await flow.start('worn')
    await flow.cancelMember('cancelled')
    await store().backend.leases.revoke({ namespace: store().namespace, id: flow.id('worn') })
    await store().pass(1_000)
    expect(await flow.states()).toMatchObject({ cancelled: 'cancelled', expired: 'expired', worn: 'failed' })
    expect((await flow.tryStart('b', 'c', 'd')).sort()).toEqual(['b', 'c', 'd'])
  })

  it('a flow with more than 50 members shows a random sample as its state', async () => {
    const plan = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`n${i}`, {}] as const))
    const flow = await FlowDriver.submit(store(), plan)
    await flow.end('n117', 'failed')
    await flow.start('n3')
    await flow.settle()
    expect((await flow.flow()).summary).toMatchObject({
      totalMembers: 120,
      publicFlowState: 'running',
      counts: { waiting: 118, active: 1, failed: 1 },
    })
  })
})
