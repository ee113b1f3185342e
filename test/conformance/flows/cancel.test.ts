import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const plan: GraphPlan = {
  running: {},
  waiting: {},
  later: { delayMs: 60_000 },
  child: { after: ['running'] },
  tidy: { after: ['child', 'waiting'], join: { runOn: 'always', policy: { kind: 'any_of' } } },
}

describe('flows.cancel', () => {
  const store = useStore({})

  async function started(): Promise<FlowDriver> {
    const flow = await FlowDriver.submit(store(), plan)
    await flow.start('running')
    return flow
  }

  it('cancel_all ends everything but its finaliser, which then runs', async () => {
    const flow = await started()
    expect(await flow.cancel('cancel_all')).toMatchObject({
      outcome: 'cancelling',
      remaining: 1,
      failures: [],
    })
    await flow.settle()
    expect(await flow.states()).toEqual({
      running: 'cancelled',
      waiting: 'cancelled',
      later: 'cancelled',
      child: 'cancelled',
      tidy: 'waiting',
    })
    expect((await flow.execution('running')).cancelCause).toBe('flow')
    expect(await flow.complete('running')).toBe('execution_not_active')
    expect(await flow.flow()).toMatchObject({
      state: 'cancelling',
      cancel: { policy: 'cancel_all', finalisers: true, requestedAtMs: await store().nowMs() },
    })
    await flow.end('tidy', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
    expect(await flow.results()).toEqual({ tidy: 'result of tidy' })
  })

  it('cancel_pending lets active members finish', async () => {
    const flow = await started()
    expect((await flow.cancel('cancel_pending')).outcome).toBe('cancelling')
    await flow.settle()
    expect(await flow.states()).toMatchObject({ running: 'active', waiting: 'cancelled', child: 'cancelled' })
    expect(await flow.complete('running')).toBe('completed')
    await flow.settle()
    expect(await flow.state('running')).toBe('completed')
  })

  it.each([
    ['retry', (flow: FlowDriver) => flow.fail('running', 'policy')],
    ['delay', (flow: FlowDriver) => delay(flow)],
    ['yield', (flow: FlowDriver) => giveBack(flow)],
    ['revocation', (flow: FlowDriver) => revoke(flow)],
    ['lost lease', (flow: FlowDriver) => loseLease(flow)],
  ] as const)('under cancel_pending a %s of an active member ends it as cancelled', async (_, happen) => {
    const flow = await started()
    await flow.cancel('cancel_pending')
    await happen(flow)
    await flow.settle()
    expect(await flow.execution('running')).toMatchObject({ publicState: 'cancelled', cancelCause: 'flow' })
  })

  it('flow_only closes the flow at once, and its members run on', async () => {
    const flow = await started()
    expect(await flow.cancel('flow_only')).toEqual({ outcome: 'cancelled' })
    expect((await flow.flow()).state).toBe('cancelled')
    expect(await flow.results()).toEqual({})
    expect(await flow.complete('running', 'late')).toBe('completed')
    await flow.settle()
    expect(await flow.tryStart('child', 'waiting')).toEqual(expect.arrayContaining(['child', 'waiting']))
    await flow.complete('child')
    await flow.complete('waiting')
    await flow.settle()
    await flow.end('tidy', 'success')
    await store().pass(60_000)
    await flow.end('later', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
    // The result is as of the cancel.
    expect(await flow.results()).toEqual({})
    expect((await flow.extend({ more: {} })).outcome).toBe('flow_not_open')
    expect((await flow.replay(['running'])).outcome).toBe('flow_not_open')
  })

  it('finalisers: false cancels always nodes too, also in a later call', async () => {
    const flow = await started()
    await flow.cancel('cancel_all')
    await flow.settle()
    expect(await flow.state('tidy')).toBe('waiting')
    expect((await flow.cancel('cancel_all', { finalisers: false })).outcome).toBe('cancelled')
    await flow.settle()
    expect(await flow.state('tidy')).toBe('cancelled')
    expect((await flow.flow()).state).toBe('cancelled')
  })

  it('a finaliser keeps its retries while the flow is cancelling', async () => {
    const flow = await started()
    await flow.cancel('cancel_all')
    await flow.settle()
    await flow.start('tidy')
    expect(await flow.fail('tidy', { afterMs: 0 })).toBe('retrying')
    await flow.end('tidy', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
  })

  it('a later call may widen it, and never narrows it', async () => {
    const flow = await started()
    await flow.cancel('cancel_pending')
    expect(await flow.state('running')).toBe('active')
    await flow.cancel('cancel_all')
    await flow.settle()
    expect(await flow.state('running')).toBe('cancelled')
    await flow.cancel('cancel_pending')
    expect((await flow.flow()).cancel).toMatchObject({ policy: 'cancel_all' })
  })

  it('starts no member once it has answered', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] }, keeps: {} })
    await flow.start('keeps')
    await flow.cancel('cancel_pending')
    expect(await flow.tryStart('a', 'b')).toEqual([])
  })

  it('while it is cancelling, a group that fires cancels its member instead of skipping it', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      first: { after: ['a'], join: { runOn: 'always', policy: { kind: 'any_of' } } },
      second: { after: ['first'], join: { runOn: 'always', policy: { kind: 'any_of' } } },
    })
    await flow.start('a')
    await flow.cancel('cancel_pending')
    await flow.complete('a')
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'completed', first: 'waiting', second: 'waiting_children' })
    await flow.end('first', 'failed')
    await flow.settle()
    await flow.end('second', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
  })

  it('repeating it is harmless; a flow that has ended is flow_terminal', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect(await flow.cancel('cancel_all')).toEqual({ outcome: 'cancelled' })
    await flow.settle()
    expect(await flow.cancel('cancel_all')).toEqual({ outcome: 'flow_terminal', flowState: 'cancelled' })
    const done = await FlowDriver.submit(store(), { a: {} })
    await done.end('a', 'success')
    await done.settle()
    for (const policy of ['cancel_all', 'cancel_pending', 'flow_only'] as const)
      expect(await done.cancel(policy)).toEqual({ outcome: 'flow_terminal', flowState: 'completed' })
    expect(await done.states()).toEqual({ a: 'completed' })
  })

  it('flow_only on a cancelling flow is flow_not_open', async () => {
    const flow = await started()
    await flow.cancel('cancel_pending')
    expect(await flow.cancel('flow_only')).toEqual({ outcome: 'flow_not_open', flowState: 'cancelling' })
    expect((await flow.flow()).state).toBe('cancelling')
  })

  it('when the last end was recorded first, the answer is flow_terminal', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await flow.end('a', 'success')
    expect(await flow.cancel('cancel_all')).toMatchObject({ outcome: 'flow_terminal' })
    await flow.settle()
    expect((await flow.flow()).state).toBe('completed')
  })

  it('a draft is cancelled as a whole', async () => {
    const flow = new FlowDriver(store())
    const { backend, namespace } = store()
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend(plan)
    await flow.cancel('cancel_pending')
    await flow.settle()
    expect(new Set(Object.values(await flow.states()))).toEqual(new Set(['cancelled']))
    expect((await flow.flow()).state).toBe('cancelled')
  })

  it('a large flow is cancelled completely, with progress', async () => {
    const many = Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`n${i}`, {}] as const))
    const flow = await FlowDriver.submit(store(), many)
    const answer = await flow.cancel('cancel_all')
    expect(['cancelled', 'cancelling']).toContain(answer.outcome)
    expect(await flow.tryStart('n0', 'n699')).toEqual([])
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
    const { backend, namespace } = store()
    const filter = { flowId: flow.flowId, states: ['cancelled'] as const }
    expect(await backend.executions.count({ namespace, filter })).toEqual({ outcome: 'counted', count: 700 })
  }, 60_000)

  it("another namespace's flow, and one that never was, are flow_not_found", async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    const { backend } = store()
    const params = { namespace: 'elsewhere' as never, flowId: flow.flowId, policy: 'cancel_all' as const }
    await expect(backend.flows.cancel(params)).rejects.toMatchObject({ code: 'flow_not_found' })
    await expect(new FlowDriver(store()).cancel('cancel_all')).rejects.toMatchObject({
      code: 'flow_not_found',
    })
    expect(await flow.state('a')).toBe('waiting')
  })

  const items = (flow: FlowDriver) => [{ handle: flow.lease('running').handle }]
  const scope = () => ({ namespaces: [store().namespace] })

  async function delay(flow: FlowDriver) {
    const untilMs = (await store().nowMs()) + 60_000
    const { handle } = flow.lease('running')
    const answer = await store().backend.leases.delay({ ...scope(), items: [{ handle, untilMs }] })
    expect(answer.items).toEqual([{ outcome: 'cancelled' }])
  }

  async function giveBack(flow: FlowDriver) {
    const answer = await store().backend.leases.yield({ ...scope(), items: items(flow) })
    expect(answer.items).toEqual([{ outcome: 'cancelled' }])
  }

  async function revoke(flow: FlowDriver) {
    const { backend, namespace } = store()
    expect(await backend.leases.revoke({ namespace, id: flow.id('running') })).toEqual({
      outcome: 'revoked',
      next: 'cancelled',
    })
  }

  async function loseLease(flow: FlowDriver) {
    await store().pass(600_001)
    expect((await flow.execution('running')).lease).toBeNull()
  }
})
