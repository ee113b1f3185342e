import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('drafts', () => {
  const store = useStore({})

  async function draft(options: { draftTtlMs?: number } = {}): Promise<FlowDriver> {
    const flow = new FlowDriver(store())
    const { backend, namespace } = store()
    const answer = await backend.flows.createDraft({ namespace, flowId: flow.flowId, ...options })
    expect(answer).toEqual({ outcome: 'created', flowId: flow.flowId })
    return flow
  }

  const seal = (flow: FlowDriver) => {
    const { backend, namespace } = store()
    return backend.flows.seal({ namespace, flowId: flow.flowId })
  }

  it('nothing of a draft can be claimed before the seal, roots and others', async () => {
    const flow = await draft()
    expect(await flow.extend({ a: {}, b: { after: ['a'] } })).toEqual({
      outcome: 'extended',
      graphRevision: 2,
    })
    expect((await flow.flow()).state).toBe('draft')
    expect((await flow.execution('a')).state.lifecyclePhase).toBe('submitted')
    expect(await flow.states()).toEqual({ a: 'waiting_children', b: 'waiting_children' })
    expect(await flow.tryStart('a', 'b')).toEqual([])
    expect(await flow.extend({ c: { after: ['b'] } })).toEqual({ outcome: 'extended', graphRevision: 3 })
    expect(await seal(flow)).toEqual({ outcome: 'sealed', graphRevision: 3 })
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'waiting', b: 'waiting_children', c: 'waiting_children' })
    expect(await flow.tryStart('a', 'b', 'c')).toEqual(['a'])
  })

  it('seal repeats as already_sealed, and refuses an empty draft', async () => {
    const flow = await draft()
    await expect(seal(flow)).rejects.toMatchObject({ code: 'empty_flow' })
    expect((await flow.flow()).state).toBe('draft')
    await flow.extend({ a: {} })
    expect((await seal(flow)).outcome).toBe('sealed')
    expect(await seal(flow)).toEqual({ outcome: 'already_sealed' })
  })

  it('seal is flow_not_open once the draft was cancelled, and flow_not_found where there is none', async () => {
    const flow = await draft()
    await flow.extend({ a: {} })
    await flow.cancel('cancel_all')
    await flow.settle()
    expect(await seal(flow)).toEqual({ outcome: 'flow_not_open', flowState: 'cancelled' })
    await expect(seal(new FlowDriver(store()))).rejects.toMatchObject({ code: 'flow_not_found' })
  })

  it('is created once: duplicate, or flow_conflict with a flow that was submitted', async () => {
    const flow = await draft()
    const { backend, namespace } = store()
    expect(await backend.flows.createDraft({ namespace, flowId: flow.flowId })).toEqual({
      outcome: 'duplicate',
      flowId: flow.flowId,
    })
    const open = await FlowDriver.submit(store(), { a: {} })
    expect(await backend.flows.createDraft({ namespace, flowId: open.flowId })).toEqual({
      outcome: 'flow_conflict',
    })
  })

  it('unsealed by its time to live, it and its members are cancelled', async () => {
    const flow = await draft({ draftTtlMs: 60_000 })
    await flow.extend({ a: {}, b: { after: ['a'] } })
    await store().advance(59_999)
    await flow.settle()
    expect((await flow.flow()).state).toBe('draft')
    await store().advance(1)
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
    expect(await flow.states()).toEqual({ a: 'cancelled', b: 'cancelled' })
    expect((await flow.execution('a')).cancelCause).toBe('draft_expired')
  })

  it('a sealed one does not expire', async () => {
    const flow = await draft({ draftTtlMs: 60_000 })
    await flow.extend({ a: {} })
    await seal(flow)
    await store().advance(120_000)
    await flow.settle()
    expect(await flow.state('a')).toBe('waiting')
  })

  it('a member that an operator cancels before the seal counts after it', async () => {
    const flow = await draft()
    await flow.extend({ a: {}, b: { after: ['a'] } })
    await flow.cancelMember('a')
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'cancelled', b: 'waiting_children' })
    expect((await flow.group('b')).state).toBe('pending')
    await seal(flow)
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'cancelled', b: 'skipped' })
    expect((await flow.flow()).state).toBe('failed')
  })

  it('a group decides only in a sealed graph, however many of its edges are there', async () => {
    const flow = await draft()
    await flow.extend({
      a: {},
      b: {},
      join: { after: ['a', 'b'], join: { policy: { kind: 'quorum', k: 2 } } },
    })
    await flow.cancelMember('a')
    await flow.settle()
    // One of two is lost for good, but a third upstream may still come.
    await flow.extend({ c: {} }, { edges: [] })
    expect((await flow.extend({ d: {} }, { edges: [flow.edge('c', 'join')] })).outcome).toBe('extended')
    await seal(flow)
    await flow.settle()
    expect(await flow.group('join')).toMatchObject({ state: 'pending', counters: { n: 3, failed: 1 } })
    await flow.end('b', 'success')
    await flow.end('c', 'success')
    await flow.settle()
    expect(await flow.state('join')).toBe('waiting')
  })
})
