// A service of its own on Valkey, with an engine: a flow of two nodes, and what is stored of it.
import assert from 'node:assert/strict'
import { createValkeyBackend } from '@flowfabric/backend-valkey'
import {
  defaultLane,
  mintClaimId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintInstanceId,
  defaultNamespace as namespace,
  parseKind,
  parseWorkerId,
} from '@flowfabric/core'
import { createEngine } from '@flowfabric/engine'

const { FF_VALKEY_URL: url } = process.env
const store = createValkeyBackend({ url })
await store.maintenance.prepare({})
const engine = createEngine({ backend: store, scanners: [] })
await engine.start()
const { flows, leases } = engine.backend

const kind = parseKind('step')
const flowId = mintFlowId()
const { partitions } = await engine.backend.maintenance.describe()
const [first, second] = ['first', 'second'].map((name) => ({
  id: mintExecutionIdInFlow(flowId, partitions.flow),
  name,
  kind,
  lane: defaultLane,
  input: new TextEncoder().encode(JSON.stringify(name)),
}))
assert(first && second)
const submitted = await flows.submit({
  namespace,
  flowId,
  nodes: [first, second],
  edges: [{ from: first.id, to: second.id, as: 'first' }],
})
assert.equal(submitted.outcome, 'accepted')

const instanceId = mintInstanceId()
for (const expected of [first, second]) {
  const claimed = await leases.claim({
    namespaces: [namespace],
    claimId: mintClaimId(),
    workerId: parseWorkerId('service'),
    instanceId,
    lanes: [defaultLane],
    kinds: [kind],
    capabilities: [],
    max: 8,
    leaseTtlMs: 30_000,
    waitMs: 10_000,
  })
  assert(claimed.outcome === 'claimed')
  assert.deepEqual(
    claimed.leases.map(({ executionId }) => executionId),
    [expected.id],
  )
  const items = claimed.leases.map(({ handle, input }) => ({ handle, result: input }))
  const ended = await leases.complete({ namespaces: [namespace], items })
  assert.equal(ended.items[0]?.outcome, 'completed')
}

const end = await engine.results.waitForFlow({ namespace, flowId, waitMs: 10_000 })
assert(end.outcome === 'completed')
assert.deepEqual(Object.keys(end.results), ['second'])
assert.equal((await store.inspect(first.id)).execution?.publicState, 'completed')

await engine.stop()
await store.maintenance.close()
