import { mintFlowId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const plan: GraphPlan = {
  a: {},
  b: { after: { a: 'from a' } },
  c: { after: ['a'], join: { policy: { kind: 'quorum', k: 1, onSatisfied: 'let_run' }, settled: true } },
}

describe('reading flows', () => {
  const store = useStore({})

  it('get answers the record, with what its author said', async () => {
    const tags = { 'team.name': 'blue' }
    const flow = await FlowDriver.submit(store(), plan, { name: 'import', tags, deadlineMs: 60_000 })
    const nowMs = await store().nowMs()
    expect(await flow.flow()).toMatchObject({
      id: flow.flowId,
      namespace: store().namespace,
      name: 'import',
      state: 'open',
      graphRevision: 1,
      generation: 1,
      tags,
      createdAtMs: nowMs,
      deadlineAtMs: nowMs + 60_000,
      terminalAtMs: null,
      cancel: null,
    })
  })

  it('getGraph answers nodes in order of creation, each with its edges and its group as resolved', async () => {
    const flow = await FlowDriver.submit(store(), plan)
    const nodes = await flow.graph()
    expect(nodes.map(({ execution }) => execution.name)).toEqual(['a', 'b', 'c'])
    expect(nodes[0]).toMatchObject({ incoming: [], group: null })
    expect(nodes[1]?.incoming).toMatchObject([
      { from: flow.id('a'), to: flow.id('b'), as: 'from a', state: 'pending' },
    ])
    expect(nodes[2]).toMatchObject({
      incoming: [{ from: flow.id('a'), as: null }],
      group: {
        join: {
          policy: { kind: 'quorum', k: 1, onSatisfied: 'let_run' },
          runOn: 'groupSatisfied',
          settled: true,
          cancelShared: false,
          ancestors: 'cancel',
        },
        counters: { n: 1, succeeded: 0, failed: 0, skipped: 0 },
        state: 'pending',
        released: false,
      },
    })
  })

  it('getGraph pages, and no page repeats or skips a node', async () => {
    const many = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`n${i}`, {}] as const))
    const flow = await FlowDriver.submit(store(), many)
    const { backend, namespace } = store()
    const names: (string | null)[] = []
    let cursor: string | undefined
    do {
      const page = await backend.flows.getGraph({ namespace, flowId: flow.flowId, limit: 4, cursor })
      expect(page.items.length).toBeLessThanOrEqual(4)
      names.push(...page.items.map(({ execution }) => execution.name))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(names).toEqual(Object.keys(many))
    const broken = backend.flows.getGraph({ namespace, flowId: flow.flowId, cursor: 'no cursor' })
    expect(await codeOf(broken)).toBe('invalid_cursor')
  })

  it('getResult is pending until the flow has ended', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect(await flow.result()).toEqual({ outcome: 'pending', flowState: 'open' })
    await flow.end('a', 'failed')
    await flow.settle()
    expect(await flow.result()).toEqual({
      outcome: 'failed',
      results: {},
      failures: [{ id: flow.id('a'), name: 'a', publicState: 'failed' }],
    })
  })

  it('list answers newest first, by state and tags, page by page', async () => {
    const { backend, namespace } = store()
    const flows: FlowDriver[] = []
    for (let i = 0; i < 5; i += 1) {
      flows.push(
        await FlowDriver.submit(store(), { a: {} }, i % 2 === 0 ? { tags: { 'team.name': 'blue' } } : {}),
      )
      await store().advance(10)
    }
    await flows[1]?.end('a', 'success')
    await flows[1]?.settle()
    const newestFirst = flows.map(({ flowId }) => flowId).reverse()
    const idsOf = async (filter: object) => {
      const ids: string[] = []
      let cursor: string | undefined
      do {
        const page = await backend.flows.list({ namespace, limit: 2, cursor, ...filter })
        ids.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return ids
    }
    expect(await idsOf({})).toEqual(newestFirst)
    expect(await idsOf({ states: ['completed'] })).toEqual([flows[1]?.flowId])
    expect(await idsOf({ tags: { 'team.name': 'blue' } })).toEqual([4, 2, 0].map((i) => flows[i]?.flowId))
    expect(await idsOf({ states: ['draft', 'cancelled'] })).toEqual([])
    expect(await codeOf(backend.flows.list({ namespace, cursor: 'no cursor' }))).toBe('invalid_cursor')
    expect(await codeOf(backend.flows.list({ namespace, limit: 0 }))).toBe('invalid_params')
  })

  it('list filters by name, by the time of creation, and by that of the end that stands', async () => {
    const { backend, namespace } = store()
    const idsOf = async (filter: object) =>
      (await backend.flows.list({ namespace, ...filter })).items.map(({ id }) => id)
    const startMs = await store().nowMs()
    const flows: FlowDriver[] = []
    for (const name of ['daily', 'hourly', 'daily']) {
      flows.push(await FlowDriver.submit(store(), { a: {} }, { name }))
      await store().advance(10)
    }
    const [first, second, third] = flows.map(({ flowId }) => flowId)
    // The newest ends first.
    for (const flow of [flows[2], flows[0]]) {
      await flow?.end('a', 'success')
      await flow?.settle()
      await store().advance(10)
    }
    expect(await idsOf({ name: 'daily' })).toEqual([third, first])
    expect(await idsOf({ name: 'yearly' })).toEqual([])
    expect(await idsOf({ createdFromMs: startMs + 10 })).toEqual([third, second])
    expect(await idsOf({ createdBeforeMs: startMs + 10 })).toEqual([first])
    const endedAtMs = async (flowId: FlowDriver['flowId'] | undefined) =>
      (await backend.flows.get({ namespace, flowId: flowId as FlowDriver['flowId'] })).flow.terminalAtMs ?? 0
    expect(await idsOf({ endedFromMs: 0 })).toEqual([third, first])
    expect(await idsOf({ endedFromMs: await endedAtMs(first) })).toEqual([first])
    expect(await idsOf({ endedBeforeMs: await endedAtMs(first) })).toEqual([third])
    expect(await idsOf({ endedBeforeMs: await endedAtMs(third) })).toEqual([])
    expect(await idsOf({ endedFromMs: 0, states: ['open'] })).toEqual([])
    await flows[0]?.replay(['a'])
    expect(await idsOf({ endedFromMs: 0 })).toEqual([third])
    for (const fault of [{ name: '' }, { createdFromMs: -1 }, { endedBeforeMs: 'then' }])
      expect(await codeOf(backend.flows.list({ namespace, ...fault } as never))).toMatch(/^invalid_/)
  })

  it("another namespace's flow is flow_not_found, everywhere alike", async () => {
    const flow = await FlowDriver.submit(store(), plan)
    const { flows } = store().backend
    for (const params of [
      { namespace: 'elsewhere' as never, flowId: flow.flowId },
      { namespace: store().namespace, flowId: mintFlowId() },
    ]) {
      expect(await codeOf(flows.get(params))).toBe('flow_not_found')
      expect(await codeOf(flows.getGraph(params))).toBe('flow_not_found')
      expect(await codeOf(flows.getResult(params))).toBe('flow_not_found')
      expect(await codeOf(flows.seal(params))).toBe('flow_not_found')
      expect(await codeOf(flows.extend({ ...params, nodes: [], edges: [] }))).toMatch(
        /flow_not_found|empty_flow|invalid/,
      )
      expect(await codeOf(flows.replay({ ...params, from: 'failed' }))).toBe('flow_not_found')
    }
    expect((await flows.list({ namespace: 'elsewhere-list' as never })).items).toEqual([])
  })

  it('a malformed id is refused as one', async () => {
    const { backend, namespace } = store()
    expect(await codeOf(backend.flows.get({ namespace, flowId: 'no flow' as never }))).toBe('invalid_flow_id')
  })
})
