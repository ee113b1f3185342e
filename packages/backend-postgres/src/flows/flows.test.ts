import { PGlite } from '@electric-sql/pglite'
import {
  type ClaimedExecution,
  defaultNamespace,
  type ExecutionId,
  type FlowEdge,
  type FlowId,
  type FlowNode,
  type FoundationBackend,
  makePartitionTag,
  mintClaimId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintInstanceId,
  parseKind,
  parseLaneId,
  parseWorkerId,
  partitionOfFlow,
} from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPostgresBackend } from '../postgres-backend.js'

const namespace = defaultNamespace
const partitions = { flow: 4, budget: 2, quota: 2 }
let pglite: PGlite
let backend: FoundationBackend
let flows: FoundationBackend['flows']
let leases: FoundationBackend['leases']
let resolution: FoundationBackend['resolution']
const instanceId = mintInstanceId()

beforeAll(async () => {
  pglite = await PGlite.create()
  backend = createPostgresBackend({ pglite, partitions })
  await backend.maintenance.prepare()
  ;({ flows, leases, resolution } = backend)
}, 60_000)

afterAll(async () => {
  await backend.maintenance.close()
  await pglite.close()
})

function node(id: ExecutionId, name: string, extra: Partial<FlowNode> = {}): FlowNode {
  return {
    id,
    name,
    kind: parseKind('work'),
    lane: parseLaneId('default'),
    input: Buffer.from(name),
    ...extra,
  }
}

function graphOf(
  flowId: FlowId,
  names: readonly string[],
  edges: readonly [string, string][],
  extra: Record<string, Partial<FlowNode>> = {},
) {
  const ids = new Map(names.map((name) => [name, mintExecutionIdInFlow(flowId, partitions.flow)]))
  const idOf = (name: string) => ids.get(name) as ExecutionId
  return {
    idOf,
    nodes: names.map((name) => node(idOf(name), name, extra[name])),
    edges: edges.map(([from, to]): FlowEdge => ({ from: idOf(from), to: idOf(to), as: from })),
  }
}

async function claim(max = 10): Promise<readonly ClaimedExecution[]> {
  const answer = await leases.claim({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId,
    namespaces: [namespace],
    lanes: [parseLaneId('default')],
    kinds: [parseKind('work')],
    capabilities: [],
    max,
    leaseTtlMs: 30_000,
  })
  return answer.outcome === 'claimed' ? answer.leases : []
}

async function complete(lease: ClaimedExecution | undefined, result = 'ok') {
  if (lease === undefined) throw new Error('nothing was claimed')
  const { items } = await leases.complete({
    namespaces: [namespace],
    items: [{ handle: lease.handle, result: Buffer.from(result) }],
  })
  return items[0]
}

async function fail(lease: ClaimedExecution | undefined) {
  if (lease === undefined) throw new Error('nothing was claimed')
  const { items } = await leases.fail({
    namespaces: [namespace],
    items: [{ handle: lease.handle, failure: { category: 'error', message: 'no' }, retry: 'never' }],
  })
  return items[0]
}

/** Dispatches until nothing is left, by hand beside the kicks. */
async function settle(flowId: FlowId) {
  const partition = makePartitionTag('flow', partitionOfFlow(flowId, partitions.flow))
  for (let round = 0; round < 300; round += 1) {
    const dispatched = await resolution.dispatchCompletions({ partition, max: 100 })
    const drained = await resolution.drainSiblingCancels({ partition, max: 50 })
    if (dispatched.items.length + drained.items.length === 0) break
  }
}

async function stateOf(flowId: FlowId) {
  return (await flows.get({ namespace, flowId })).flow
}

async function statesOf(flowId: FlowId) {
  const page = await flows.getGraph({ namespace, flowId, limit: 1000 })
  return Object.fromEntries(page.items.map(({ execution }) => [execution.name, execution.publicState]))
}

describe('flows on PGlite', () => {
  test('a diamond runs to completion and hands results down by edge name', async () => {
    const flowId = mintFlowId()
    const graph = graphOf(
      flowId,
      ['a', 'b', 'c', 'd'],
      [
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'd'],
        ['c', 'd'],
      ],
    )
    const accepted = await flows.submit({ namespace, flowId, nodes: graph.nodes, edges: graph.edges })
    expect(accepted).toEqual({ outcome: 'accepted', flowId, graphRevision: 1 })
    expect(await flows.submit({ namespace, flowId, nodes: graph.nodes, edges: graph.edges })).toEqual({
      outcome: 'duplicate',
      flowId,
    })
    const [a, ...none] = await claim()
    expect(none).toEqual([])
    expect(a?.name).toBe('a')
    expect(await complete(a, 'A')).toEqual({ outcome: 'completed', late: false })
    await settle(flowId)
    const middle = await claim()
    expect(middle.map(({ name }) => name).sort()).toEqual(['b', 'c'])
    expect(Buffer.from(middle[0]?.upstream[0]?.result ?? []).toString()).toBe('A')
    for (const lease of middle) await complete(lease, lease.name ?? '')
    await settle(flowId)
    const [d] = await claim()
    expect(d?.upstream.map(({ as, satisfied }) => [as, satisfied])).toEqual([
      ['b', true],
      ['c', true],
    ])
    await complete(d, 'D')
    await settle(flowId)
    const flow = await stateOf(flowId)
    expect(flow.state).toBe('completed')
    const result = await flows.getResult({ namespace, flowId })
    expect(result).toEqual({
      outcome: 'completed',
      results: { d: new Uint8Array(Buffer.from('D')) },
      failures: [],
    })
  })

  test('a failure skips what hangs on it, and a fallback runs', async () => {
    const flowId = mintFlowId()
    const graph = graphOf(
      flowId,
      ['a', 'b', 'c', 'rescue'],
      [
        ['a', 'b'],
        ['b', 'c'],
        ['a', 'rescue'],
      ],
      { rescue: { join: { runOn: 'groupImpossible' } } },
    )
    await flows.submit({ namespace, flowId, nodes: graph.nodes, edges: graph.edges })
    await fail((await claim())[0])
    await settle(flowId)
    expect(await statesOf(flowId)).toEqual({ a: 'failed', b: 'skipped', c: 'skipped', rescue: 'waiting' })
    await complete((await claim())[0])
    await settle(flowId)
    expect((await stateOf(flowId)).state).toBe('completed')
  })

  test('a race cancels its loser and what only fed it', async () => {
    const flowId = mintFlowId()
    const graph = graphOf(
      flowId,
      ['fast', 'feeder', 'slow', 'winner'],
      [
        ['feeder', 'slow'],
        ['fast', 'winner'],
        ['slow', 'winner'],
      ],
      { winner: { join: { policy: { kind: 'any_of' } } } },
    )
    await flows.submit({ namespace, flowId, nodes: graph.nodes, edges: graph.edges })
    const roots = await claim()
    await complete(roots.find(({ name }) => name === 'fast'))
    await settle(flowId)
    expect(await statesOf(flowId)).toEqual({
      fast: 'completed',
      feeder: 'cancelled',
      slow: 'cancelled',
      winner: 'waiting',
    })
    await complete((await claim())[0])
    await settle(flowId)
    expect((await stateOf(flowId)).state).toBe('completed')
  })

  test('a draft is extended, sealed, extended again while it runs, and replayed after a failure', async () => {
    const flowId = mintFlowId()
    await flows.createDraft({ namespace, flowId })
    const first = graphOf(flowId, ['a', 'b'], [['a', 'b']])
    expect(await flows.extend({ namespace, flowId, nodes: first.nodes, edges: first.edges })).toEqual({
      outcome: 'extended',
      graphRevision: 2,
    })
    expect(await claim()).toEqual([])
    expect(await flows.seal({ namespace, flowId })).toEqual({ outcome: 'sealed', graphRevision: 2 })
    const [a] = await claim()
    expect(a?.name).toBe('a')
    const late = graphOf(flowId, ['x'], [])
    expect(
      await flows.extend({
        namespace,
        flowId,
        nodes: late.nodes,
        edges: [
          { from: first.idOf('a'), to: late.idOf('x'), as: 'a' },
          { from: late.idOf('x'), to: first.idOf('b'), as: 'x' },
        ],
        ...(a === undefined ? {} : { handle: a.handle }),
      }),
    ).toEqual({ outcome: 'extended', graphRevision: 3 })
    await complete(a)
    await settle(flowId)
    await fail((await claim())[0])
    await settle(flowId)
    expect((await stateOf(flowId)).state).toBe('failed')
    expect(await statesOf(flowId)).toEqual({ a: 'completed', b: 'skipped', x: 'failed' })
    const replayed = await flows.replay({ namespace, flowId, from: 'failed' })
    expect(replayed).toEqual({ outcome: 'replayed', ids: [first.idOf('b'), late.idOf('x')] })
    expect(await statesOf(flowId)).toEqual({ a: 'completed', b: 'waiting_children', x: 'waiting' })
    await complete((await claim())[0])
    await settle(flowId)
    await complete((await claim())[0])
    await settle(flowId)
    expect((await stateOf(flowId)).state).toBe('completed')
  })

  test('a cancelled flow ends its members, and its finaliser runs', async () => {
    const flowId = mintFlowId()
    const graph = graphOf(
      flowId,
      ['a', 'b', 'last'],
      [
        ['a', 'b'],
        ['b', 'last'],
      ],
      { last: { join: { runOn: 'always' } } },
    )
    await flows.submit({ namespace, flowId, nodes: graph.nodes, edges: graph.edges })
    const [a] = await claim()
    const cancelled = await flows.cancel({ namespace, flowId, policy: 'cancel_all' })
    expect(cancelled).toEqual({ outcome: 'cancelling', remaining: 1, failures: [] })
    expect(await complete(a)).toMatchObject({ outcome: 'execution_not_active' })
    await settle(flowId)
    await complete((await claim())[0])
    await settle(flowId)
    expect(await statesOf(flowId)).toEqual({ a: 'cancelled', b: 'cancelled', last: 'completed' })
    expect((await stateOf(flowId)).state).toBe('cancelled')
  })

  test('a chain of 200 skips takes less than ten seconds', async () => {
    const flowId = mintFlowId()
    const names = Array.from({ length: 200 }, (_, index) => `n${index}`)
    const graph = graphOf(
      flowId,
      names,
      names.slice(1).map((name, index) => [names[index] as string, name]),
    )
    await flows.submit({ namespace, flowId, nodes: graph.nodes, edges: graph.edges })
    const [root] = await claim()
    const startedAt = performance.now()
    await fail(root)
    await settle(flowId)
    expect((await stateOf(flowId)).state).toBe('failed')
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })
})
