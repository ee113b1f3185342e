import { limits } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan, textOf } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const chain: GraphPlan = { a: {}, b: { after: { a: 'a' } }, c: { after: { b: 'b' } } }

describe('flows.replay', () => {
  const store = useStore({})

  async function run(flow: FlowDriver, ends: Readonly<Record<string, 'success' | 'failed'>>): Promise<void> {
    for (const [name, outcome] of Object.entries(ends)) {
      await flow.end(name, outcome)
      await flow.settle()
    }
  }

  it("from 'failed' reopens what failed and what was skipped for it, and the flow completes", async () => {
    const flow = await FlowDriver.submit(store(), chain)
    await run(flow, { a: 'success', b: 'failed' })
    expect(await flow.flow()).toMatchObject({ state: 'failed', generation: 1 })
    const answer = await flow.replay('failed')
    expect(answer).toMatchObject({ outcome: 'replayed' })
    expect(new Set(answer.outcome === 'replayed' ? answer.ids : [])).toEqual(
      new Set([flow.id('b'), flow.id('c')]),
    )
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'completed', b: 'waiting', c: 'waiting_children' })
    expect(await flow.flow()).toMatchObject({ state: 'open', generation: 2, terminalAtMs: null })
    expect((await flow.group('c')).counters).toEqual({ n: 1, succeeded: 0, failed: 0, skipped: 0 })
    await flow.start('b')
    expect(flow.lease('b')).toMatchObject({ attemptType: 'replay', attemptIndex: 1, generation: 2 })
    expect(flow.lease('b').upstream.map(({ result }) => textOf(result))).toEqual(['result of a'])
    await flow.complete('b')
    await flow.settle()
    await run(flow, { c: 'success' })
    expect((await flow.flow()).state).toBe('completed')
    expect(await flow.execution('c')).toMatchObject({ generation: 2, replayCount: 1 })
  })

  it('by ids reopens them with all their descendants, succeeded ones too', async () => {
    const flow = await FlowDriver.submit(store(), { ...chain, side: {} })
    await run(flow, { a: 'success', b: 'success', c: 'success', side: 'success' })
    expect((await flow.flow()).state).toBe('completed')
    expect((await flow.replay(['b'])).outcome).toBe('replayed')
    await flow.settle()
    expect(await flow.states()).toEqual({
      a: 'completed',
      b: 'waiting',
      c: 'waiting_children',
      side: 'completed',
    })
    expect((await flow.execution('a')).generation).toBe(1)
    await run(flow, { b: 'success', c: 'success' })
    expect((await flow.flow()).state).toBe('completed')
  })

  it('a fork runs with new input, and forgets the journal; without one both are kept', async () => {
    const flow = await FlowDriver.submit(store(), { a: { input: new TextEncoder().encode('old') } })
    const { backend, namespace } = store()
    await flow.start('a')
    const step = { handle: flow.lease('a').handle, name: 'once', type: 'step' as const, result: null }
    await backend.attempts.recordStep({ namespaces: [namespace], items: [step] })
    await flow.complete('a')
    await flow.settle()
    await flow.replay(['a'])
    await flow.settle()
    await flow.start('a')
    expect(textOf(flow.lease('a').input)).toBe('old')
    expect(flow.lease('a').steps.map(({ name }) => name)).toEqual(['once'])
    await flow.complete('a')
    await flow.settle()
    await flow.replay(['a'], { a: 'new' })
    await flow.settle()
    await flow.start('a')
    expect(textOf(flow.lease('a').input)).toBe('new')
    expect(flow.lease('a').steps).toEqual([])
  })

  it('edges into it from outside keep what their upstreams recorded', async () => {
    const flow = await FlowDriver.submit(store(), {
      good: {},
      bad: {},
      join: { after: ['good', 'bad'], join: { policy: { kind: 'quorum', k: 2 } } },
    })
    await run(flow, { good: 'success', bad: 'failed' })
    expect(await flow.state('join')).toBe('skipped')
    await flow.replay('failed')
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({
      state: 'pending',
      released: false,
      counters: { n: 2, succeeded: 1, failed: 0 },
    })
    await run(flow, { bad: 'success', join: 'success' })
    expect((await flow.flow()).state).toBe('completed')
  })

  it('a reopened group that its outer upstreams already decide fires, but cancels nobody', async () => {
    const flow = await FlowDriver.submit(store(), {
      first: {},
      slow: {},
      last: {},
      race: { after: ['first', 'slow'], join: { policy: { kind: 'any_of', onSatisfied: 'let_run' } } },
    })
    await flow.start('slow', 'last')
    await run(flow, { first: 'success' })
    await run(flow, { race: 'failed' })
    expect((await flow.replay(['race'])).outcome).toBe('replayed')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ race: 'waiting', slow: 'active' })
    expect(await flow.group('race')).toMatchObject({
      state: 'satisfied',
      cancelReason: null,
      cancelPending: false,
    })
  })

  it('an open flow may be replayed in part', async () => {
    const flow = await FlowDriver.submit(store(), { ...chain, side: {} })
    await run(flow, { a: 'success', b: 'failed' })
    expect((await flow.flow()).state).toBe('open')
    await flow.start('side')
    expect((await flow.replay('failed')).outcome).toBe('replayed')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ b: 'waiting', c: 'waiting_children', side: 'active' })
    expect(await flow.complete('side')).toBe('completed')
  })

  it.each([
    ['active', async (flow: FlowDriver) => flow.start('b')],
    ['released', async () => undefined],
  ] as const)('replay_conflict names a member of it that is %s, and changes nothing', async (_, happen) => {
    const flow = await FlowDriver.submit(store(), chain)
    await run(flow, { a: 'success' })
    await happen(flow)
    const before = await flow.graph()
    expect(await flow.replay(['a'])).toEqual({ outcome: 'replay_conflict', ids: [flow.id('b')] })
    expect(await flow.graph()).toEqual(before)
  })

  it('a member that still waits for its upstreams is no conflict, and gets the next generation too', async () => {
    const flow = await FlowDriver.submit(store(), {
      ...chain,
      d: { after: ['c'] },
      other: {},
      e: { after: ['c', 'other'] },
    })
    await run(flow, { a: 'success', b: 'failed' })
    await flow.extend({ late: { after: ['b', 'other'], join: { settled: true } } })
    await flow.settle()
    expect(await flow.state('late')).toBe('waiting_children')
    expect((await flow.replay('failed')).outcome).toBe('replayed')
    await flow.settle()
    expect(await flow.execution('late')).toMatchObject({
      generation: 2,
      replayCount: 0,
      publicState: 'waiting_children',
    })
  })

  it('nothing_to_replay when nothing failed', async () => {
    const flow = await FlowDriver.submit(store(), chain)
    expect(await flow.replay('failed')).toEqual({ outcome: 'nothing_to_replay' })
    await run(flow, { a: 'success', b: 'success', c: 'success' })
    expect(await flow.replay('failed')).toEqual({ outcome: 'nothing_to_replay' })
    expect((await flow.flow()).generation).toBe(1)
  })

  it('a sibling-cancelled or skipped member is not what failed', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      race: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
      never: { after: ['race'], join: { runOn: 'groupImpossible' } },
    })
    await flow.start('b')
    await run(flow, { a: 'success', race: 'success' })
    expect(await flow.states()).toEqual({
      a: 'completed',
      b: 'cancelled',
      race: 'completed',
      never: 'skipped',
    })
    expect(await flow.replay('failed')).toEqual({ outcome: 'nothing_to_replay' })
  })

  it.each(['draft', 'cancelling'] as const)('is flow_not_open on a %s flow', async (flowState) => {
    const flow = new FlowDriver(store())
    const { backend, namespace } = store()
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend({ a: {}, b: {} })
    await flow.cancelMember('a')
    if (flowState === 'cancelling') {
      await backend.flows.seal({ namespace, flowId: flow.flowId })
      await flow.settle()
      await flow.start('b')
      await flow.cancel('cancel_pending')
    }
    expect(await flow.replay(['a'])).toEqual({ outcome: 'flow_not_open', flowState })
  })

  it('a cancelled flow is reopened and its cancel cleared; what the flow cancelled counts as failed', async () => {
    const flow = await FlowDriver.submit(store(), chain)
    await flow.cancel('cancel_all')
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
    expect((await flow.replay('failed')).outcome).toBe('replayed')
    await flow.settle()
    expect(await flow.flow()).toMatchObject({ state: 'open', cancel: null })
    expect(await flow.states()).toEqual({ a: 'waiting', b: 'waiting_children', c: 'waiting_children' })
    await run(flow, { a: 'success', b: 'success', c: 'success' })
    expect((await flow.flow()).state).toBe('completed')
  })

  it('max_replays_exceeded names those at the bound', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await run(flow, { a: 'failed' })
    for (let replays = 0; replays < limits.replaysMax; replays += 1) {
      expect((await flow.replay('failed')).outcome, `replay ${replays}`).toBe('replayed')
      await flow.settle()
      await run(flow, { a: 'failed' })
    }
    expect(await flow.replay('failed')).toEqual({ outcome: 'max_replays_exceeded', ids: [flow.id('a')] })
    expect(await flow.execution('a')).toMatchObject({
      generation: 11,
      replayCount: 10,
      publicState: 'failed',
    })
  })

  it('refuses members of other flows, and flows that are not there', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    const other = await FlowDriver.submit(store(), { x: {} })
    const { backend, namespace } = store()
    const params = { namespace, flowId: flow.flowId, from: [other.id('x')] }
    await expect(backend.flows.replay(params)).rejects.toMatchObject({ code: 'unknown_node' })
    await expect(backend.flows.replay({ ...params, namespace: 'elsewhere' as never })).rejects.toMatchObject({
      code: 'flow_not_found',
    })
  })

  it('one terminal event per terminal transition and generation', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await run(flow, { a: 'failed' })
    await flow.replay('failed')
    await flow.settle()
    await run(flow, { a: 'success' })
    const ends = (await store().eventsOf(flow.id('a'))).filter(({ publicState }) =>
      ['failed', 'completed'].includes(publicState),
    )
    expect(ends.map(({ publicState, generation }) => [publicState, generation])).toEqual([
      ['failed', 1],
      ['completed', 2],
    ])
  })
})
