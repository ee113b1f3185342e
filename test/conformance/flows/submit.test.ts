import { limits, mintExecutionIdInFlow, mintFlowId, parseKind, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver, type GraphPlan } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

const diamond: GraphPlan = {
  top: {},
  left: { after: ['top'] },
  right: { after: ['top'] },
  bottom: { after: ['left', 'right'] },
}

describe('flows.submit', () => {
  const store = useStore({})

  it('accepts a whole graph, whose roots alone are claimable', async () => {
    const flow = new FlowDriver(store())
    expect(await flow.submit(diamond)).toEqual({ outcome: 'accepted', flowId: flow.flowId, graphRevision: 1 })
    expect(await flow.states()).toEqual({
      top: 'waiting',
      left: 'waiting_children',
      right: 'waiting_children',
      bottom: 'waiting_children',
    })
    expect(await flow.tryStart('top', 'left', 'right', 'bottom')).toEqual(['top'])
    expect(await flow.flow()).toMatchObject({
      state: 'open',
      generation: 1,
      cancel: null,
      terminalAtMs: null,
    })
  })

  it('runs to its end, and keeps what its named sinks left', async () => {
    const flow = await FlowDriver.submit(store(), diamond)
    for (const name of Object.keys(diamond)) {
      await flow.end(name, 'success')
      await flow.settle()
    }
    expect(await flow.flow()).toMatchObject({ state: 'completed', terminalAtMs: await store().nowMs() })
    expect(await flow.results()).toEqual({ bottom: 'result of bottom' })
  })

  it('answers duplicate to the same graph under the same id, and changes nothing', async () => {
    const flow = new FlowDriver(store())
    await flow.submit(diamond)
    const before = await flow.graph()
    expect(await flow.submit(diamond)).toEqual({ outcome: 'duplicate', flowId: flow.flowId })
    expect(await flow.graph()).toEqual(before)
  })

  it('answers flow_conflict to another graph under the same id, also after the flow has ended', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect(await flow.submit({ a: {}, b: {} })).toEqual({ outcome: 'flow_conflict' })
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.submit({ a: { priority: 7 }, b: {} })).toEqual({ outcome: 'flow_conflict' })
    expect(Object.keys(await flow.states())).toEqual(['a'])
  })

  it("tells nothing about another namespace's flow of the same id", async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    const { backend } = store()
    const foreign = { namespace: parseLaneId('elsewhere') as never, flowId: flow.flowId }
    const graph = flow.toGraph({ a: {} })
    expect(await backend.flows.submit({ ...foreign, ...graph })).toEqual({ outcome: 'flow_conflict' })
    await expect(backend.flows.get(foreign)).rejects.toMatchObject({ code: 'flow_not_found' })
  })

  it('answers the recorded flow to a repeat under an idempotency key, whatever id came along', async () => {
    const idempotencyKey = 'import 7'
    const first = await FlowDriver.submit(store(), diamond, { idempotencyKey })
    const second = new FlowDriver(store())
    // A second process mints other ids; the lane belongs to the content.
    const graph = Object.fromEntries(
      Object.entries(diamond).map(([name, plan]) => [name, { ...plan, lane: first.lane }]),
    )
    expect(await second.submit(graph, { idempotencyKey })).toEqual({
      outcome: 'duplicate',
      flowId: first.flowId,
    })
    await expect(second.flow()).rejects.toMatchObject({ code: 'flow_not_found' })
  })

  it('answers idempotency_conflict to the same key with another graph', async () => {
    const idempotencyKey = 'import 8'
    await FlowDriver.submit(store(), diamond, { idempotencyKey })
    const other = new FlowDriver(store())
    expect(await other.submit({ a: {} }, { idempotencyKey })).toEqual({ outcome: 'idempotency_conflict' })
    await expect(other.flow()).rejects.toMatchObject({ code: 'flow_not_found' })
  })

  it('a key is free again after its time to live', async () => {
    const idempotencyKey = 'import 9'
    await FlowDriver.submit(store(), { a: {} }, { idempotencyKey, idempotencyTtlMs: 60_000 })
    await store().advance(60_001)
    const other = new FlowDriver(store())
    expect((await other.submit({ b: {} }, { idempotencyKey })).outcome).toBe('accepted')
  })

  it('refuses a lane that accepts nothing, and the whole graph with it', async () => {
    const { backend, namespace } = store()
    const lane = parseLaneId('shut')
    await backend.lanes.setState({ namespace, lane, state: 'draining' })
    const flow = new FlowDriver(store())
    expect(await flow.submit({ a: {}, b: { lane } })).toEqual({
      outcome: 'lane_not_accepting',
      lane,
      laneState: 'draining',
    })
    await expect(flow.flow()).rejects.toMatchObject({ code: 'flow_not_found' })
    expect(await backend.executions.count({ namespace })).toEqual({ outcome: 'counted', count: 0 })
  })

  it('a start time is absolute, and holds its node back beside its upstreams', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, later: { after: ['a'], delayMs: 50_000 } })
    await store().advance(20_000)
    await flow.end('a', 'success')
    await flow.settle()
    expect(await flow.execution('later')).toMatchObject({ publicState: 'delayed', readyAtMs: null })
    await store().advance(30_000)
    await flow.settle()
    expect(await flow.tryStart('later')).toEqual(['later'])
  })

  it('its deadline ends what has not ended as expired', async () => {
    const flow = await FlowDriver.submit(
      store(),
      {
        a: {},
        b: { after: ['a'] },
        tidy: { after: ['b'], join: { runOn: 'always', policy: { kind: 'any_of' } } },
      },
      { deadlineMs: 30_000 },
    )
    await flow.start('a')
    await store().advance(30_000)
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'expired', b: 'expired', tidy: 'expired' })
    expect((await flow.flow()).state).toBe('failed')
    expect(await flow.complete('a')).toBe('execution_not_active')
  })
})

describe('flows.submit refuses, and stores nothing:', () => {
  const store = useStore({})

  const badJoin = (join: object): GraphPlan => ({
    a: {},
    b: {},
    c: { after: ['a', 'b'], join: join as never },
  })

  const bad: readonly (readonly [string, string, () => GraphPlan])[] = [
    ['an empty flow', 'empty_flow', () => ({})],
    ['a quorum of none', 'invalid_quorum', () => badJoin({ policy: { kind: 'quorum', k: 0 } })],
    ['a quorum of more than all', 'invalid_quorum', () => badJoin({ policy: { kind: 'quorum', k: 3 } })],
    ['a quorum of a part', 'invalid_quorum', () => badJoin({ policy: { kind: 'quorum', k: 1.5 } })],
    [
      'onSatisfied on all_of',
      'on_satisfied_not_allowed',
      () => badJoin({ policy: { kind: 'all_of', onSatisfied: 'let_run' } }),
    ],
    [
      'onImpossible on any_of',
      'on_impossible_not_allowed',
      () => badJoin({ policy: { kind: 'any_of', onImpossible: 'let_run' } }),
    ],
    ['an unknown policy', 'invalid_edge_policy', () => badJoin({ policy: { kind: 'most_of' } })],
    [
      'a policy without edges',
      'policy_without_edges',
      () => ({ a: { join: { policy: { kind: 'any_of' } } } }),
    ],
    ['runOn without edges', 'policy_without_edges', () => ({ a: { join: { runOn: 'always' } } })],
    ['a priority that is none', 'invalid_priority', () => ({ a: { priority: 9_001 } })],
    ['a tag without a dot', 'invalid_tag', () => ({ a: { tags: { colour: 'blue' } } })],
    [
      'a payload over its bound',
      'payload_too_large',
      () => ({ a: { input: new Uint8Array(limits.payloadBytesMax + 1) } }),
    ],
  ]

  it.each(bad)('%s: %s', async (_, code, plan) => {
    const flow = new FlowDriver(store())
    await expect(flow.submit(plan())).rejects.toMatchObject({ name: 'EngineError', code })
    await expectNothingStored(flow)
  })

  const edgeCases: readonly (readonly [string, string, (ids: Ids, stranger: Id) => readonly Edge[]])[] = [
    ['a cycle', 'cycle', ([a, b, c]) => [edge(a, b), edge(b, c), edge(c, a)]],
    ['a self edge', 'self_edge', ([a]) => [edge(a, a)]],
    ['a duplicate edge', 'duplicate_edge', ([a, b]) => [edge(a, b), edge(a, b, 'x')]],
    ['an unknown node', 'unknown_node', ([a], stranger) => [edge(a, stranger)]],
    ['two results of one name', 'duplicate_name', ([a, b, c]) => [edge(a, c, 'x'), edge(b, c, 'x')]],
  ]

  it.each(edgeCases)('%s: %s', async (_, code, edges) => {
    const flow = new FlowDriver(store())
    const { nodes } = flow.toGraph({ a: {}, b: {}, c: {} })
    const ids = nodes.map(({ id }) => id) as unknown as Ids
    const stranger = mintExecutionIdInFlow(flow.flowId, store().partitions.length)
    const { backend, namespace } = store()
    const wanted = edges(ids, stranger)
    await expect(
      backend.flows.submit({ namespace, flowId: flow.flowId, nodes, edges: wanted }),
    ).rejects.toMatchObject({ name: 'EngineError', code })
    await expectNothingStored(flow)
  })

  it('a cycle names its path', async () => {
    const flow = new FlowDriver(store())
    const { nodes } = flow.toGraph({ a: {}, b: {}, c: {}, d: {} })
    const [a, b, c, d] = nodes.map(({ id }) => id) as unknown as Ids
    const edges = [edge(d, a), edge(a, b), edge(b, c), edge(c, a)]
    const { backend, namespace } = store()
    const error = await backend.flows
      .submit({ namespace, flowId: flow.flowId, nodes, edges })
      .catch((thrown: { details: { path: readonly string[] } }) => thrown)
    const path = 'details' in error ? error.details.path : []
    expect(path[0]).toBe(path.at(-1))
    expect(new Set(path)).toEqual(new Set([a, b, c]))
  })

  it('duplicate names and ids', async () => {
    const flow = new FlowDriver(store())
    const { nodes } = flow.toGraph({ a: {}, b: {} })
    const { backend, namespace } = store()
    const [a, b] = nodes as [(typeof nodes)[number], (typeof nodes)[number]]
    const submit = (some: typeof nodes) =>
      backend.flows.submit({ namespace, flowId: flow.flowId, nodes: some, edges: [] })
    await expect(submit([a, { ...b, name: 'a' }])).rejects.toMatchObject({ code: 'duplicate_name' })
    await expect(submit([a, { ...b, id: a.id }])).rejects.toMatchObject({ code: 'duplicate_id' })
    await expectNothingStored(flow)
  })

  it('more nodes or edges than a call may have', async () => {
    const { backend, namespace } = store()
    const flowId = mintFlowId()
    const nodes = Array.from({ length: limits.nodesPerCallMax + 1 }, () => ({
      id: mintExecutionIdInFlow(flowId, store().partitions.length),
      kind: parseKind('work'),
      lane: parseLaneId('solos'),
      input: null,
    }))
    await expect(backend.flows.submit({ namespace, flowId, nodes, edges: [] })).rejects.toMatchObject({
      code: 'too_many_nodes',
    })
    const edges = Array.from({ length: limits.edgesPerCallMax + 1 }, (_, i) =>
      edge(nodes[i % 100]?.id as never, nodes[100 + (i % 900)]?.id as never),
    )
    await expect(
      backend.flows.submit({ namespace, flowId, nodes: nodes.slice(0, 1_000), edges }),
    ).rejects.toMatchObject({ code: 'too_many_edges' })
    await expect(backend.flows.get({ namespace, flowId })).rejects.toMatchObject({ code: 'flow_not_found' })
  })

  async function expectNothingStored(flow: FlowDriver): Promise<void> {
    const { backend, namespace } = store()
    await expect(flow.flow()).rejects.toMatchObject({ code: 'flow_not_found' })
    expect(await backend.executions.count({ namespace })).toEqual({ outcome: 'counted', count: 0 })
    expect((await backend.flows.list({ namespace })).items).toEqual([])
  }
})

type Id = ReturnType<typeof mintExecutionIdInFlow>
type Ids = readonly [Id, Id, Id, Id]
interface Edge {
  readonly from: Id
  readonly to: Id
  readonly as?: string
}

function edge(from: Id, to: Id, as?: string): Edge {
  return as === undefined ? { from, to } : { from, to, as }
}
