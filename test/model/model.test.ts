import {
  defaultLane,
  defaultNamespace,
  type FlowNode,
  mintClaimId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseWorkerId,
} from '@flowfabric/core'
import { describe, expect, test } from 'vitest'
import { settle } from '../support/drive.js'
import { createModel } from './index.js'

const namespace = defaultNamespace
const lane = defaultLane
const kind = parseKind('work')
const partitions = { flow: 1, budget: 1, quota: 1 }

function claimOf(max = 10) {
  return {
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId: mintInstanceId(),
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    max,
    leaseTtlMs: 30_000,
  }
}

describe('the model', () => {
  test('carries a solo execution from submission to its result', async () => {
    const model = createModel({ partitions, startMs: 1_000 })
    const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 })
    const { items } = await model.executions.submit({ namespace, items: [{ id, kind, lane, input: null }] })
    expect(items).toEqual([{ outcome: 'accepted', id }])
    const claim = await model.leases.claim(claimOf())
    if (claim.outcome !== 'claimed') throw new Error('nothing to claim')
    const result = new Uint8Array([1])
    const handle = claim.leases[0]?.handle ?? ''
    const done = await model.leases.complete({ namespaces: [namespace], items: [{ handle, result }] })
    expect(done.items).toEqual([{ outcome: 'completed', late: false }])
    const { items: results } = await model.executions.getResult({ namespace, ids: [id] })
    expect(results).toEqual([{ outcome: 'success', id, result }])
  })

  test.each([0, 64])(
    'carries a diamond to its end, resolving %i edges inline',
    async (inlineResolveEdges) => {
      const model = createModel({ partitions, startMs: 1_000, inlineResolveEdges })
      const flowId = mintFlowId()
      const node = (name: string): FlowNode => ({
        id: mintExecutionIdInFlow(flowId, 1),
        name,
        kind,
        lane,
        input: null,
      })
      const [a, b, c, d] = [node('a'), node('b'), node('c'), node('d')]
      await model.flows.submit({
        namespace,
        flowId,
        nodes: [a, b, c, d],
        edges: [
          { from: a.id, to: b.id },
          { from: a.id, to: c.id },
          { from: b.id, to: d.id, as: 'b' },
          { from: c.id, to: d.id, as: 'c' },
        ],
      })
      const started: (string | null)[] = []
      for (;;) {
        await settle(model, ['{fp:0}' as never])
        const claim = await model.leases.claim(claimOf(1))
        if (claim.outcome === 'empty') break
        for (const lease of claim.leases) {
          started.push(lease.name)
          const result = new TextEncoder().encode(String(lease.name))
          await model.leases.complete({ namespaces: [namespace], items: [{ handle: lease.handle, result }] })
        }
      }
      expect(started).toEqual(['a', 'b', 'c', 'd'])
      expect((await model.flows.get({ namespace, flowId })).flow).toMatchObject({
        state: 'completed',
        summary: { publicFlowState: 'completed', progress: 1 },
      })
      const upstream = await model.attempts.loadUpstream({ namespace, executionId: d.id })
      expect(upstream.items.map(({ as, publicState }) => [as, publicState])).toEqual([
        ['b', 'completed'],
        ['c', 'completed'],
      ])
    },
  )
})
