import { type FoundationBackend, parseNamespace } from '@flowfabric/core'
import { Redis } from 'iovalkey'
import { describe, expect, it, onTestFinished } from 'vitest'
import { headOf } from '../../../packages/backend-valkey/src/flows/accept.js'
import { contentOf, growthHashOf } from '../../../packages/backend-valkey/src/flows/flow-content.js'
import { placeOf } from '../../../packages/backend-valkey/src/flows/flow-place.js'
import { createFlows } from '../../../packages/backend-valkey/src/flows/index.js'
import { packGraph } from '../../../packages/backend-valkey/src/flows/pack-graph.js'
import { stage } from '../../../packages/backend-valkey/src/flows/staged-growth.js'
import { createContext, createValkeyBackend } from '../../../packages/backend-valkey/src/valkey-backend.js'
import { cleanUp } from '../../support/clean-up.js'
import { flowPartitions, settle } from '../../support/drive.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { createTestValkey } from '../../support/servers/test-valkey.js'

/** More than one call brings; every node has a route of its own. */
const names = Array.from({ length: 300 }, (_, place) => `n${place}`)
const plan = Object.fromEntries(names.map((name) => [name, {}]))

const namespace = parseNamespace('staged')
const partitions = flowPartitions(1)

interface Opened {
  readonly backend: FoundationBackend
  /** Its flow was submitted by a process that died before a call of that function. */
  readonly flow: FlowDriver
  keys(): Promise<readonly string[]>
}

async function submitUntil(deadly: string): Promise<Opened> {
  const { url, drop } = await createTestValkey()
  const options = { url, partitions: { flow: 1, budget: 1, quota: 1 }, dispatchInProcess: false }
  const backend = createValkeyBackend(options)
  const dying = createContext(options)
  const client = new Redis(url)
  onTestFinished(async () => {
    client.disconnect()
    await Promise.all([backend.maintenance.close(), dying.close()])
    await drop()
  })
  await backend.maintenance.prepare({ virtualTime: { startMs: 1_000_000 } })
  const flows = createFlows({
    ...dying.ctx,
    invoke: async (invocation) => {
      if (invocation.name === deadly) throw new Error('the process died')
      return dying.ctx.invoke(invocation)
    },
  })
  const flow = new FlowDriver({ backend, namespace, partitions })
  await expect(flow.through({ ...backend, flows }).submit(plan)).rejects.toThrow('the process died')
  return { backend, flow, keys: () => client.keys('ff:*') }
}

describe('a graph that comes in parts, whose process dies', () => {
  it('before the commit, leaves nothing after a minute, and nobody is told of it before', async () => {
    const { backend, flow, keys } = await submitUntil('flows_commit')
    expect((await backend.executions.list({ namespace })).items).toEqual([])
    expect(await backend.executions.count({ namespace })).toMatchObject({ count: 0 })
    expect((await backend.maintenance.describe()).counts.executions).toBe(0)
    await expect(flow.flow()).rejects.toMatchObject({ code: 'flow_not_found' })
    await backend.maintenance.advanceTime({ byMs: 60_000 })
    await settle(backend, partitions)
    expect((await keys()).filter((key) => /:routes$|:counts$|:core$|:stage$/.test(key))).toEqual([])
  })

  it('before the last part, is gone on with by who brings it in one call', async () => {
    const { url, drop } = await createTestValkey()
    const options = { url, partitions: { flow: 1, budget: 1, quota: 1 } }
    const backend = createValkeyBackend(options)
    const dying = createContext(options)
    onTestFinished(async () => {
      await Promise.all([backend.maintenance.close(), dying.close()])
      await drop()
    })
    await backend.maintenance.prepare()
    const flow = new FlowDriver({ backend, namespace, partitions })
    const small = { n0: {}, n1: {}, n2: { after: ['n0', 'n1'] } }
    const graph = { ...flow.toGraph(small), flowId: flow.flowId, namespace }
    const content = contentOf(graph)
    const { nodes } = packGraph(dying.ctx, namespace, graph)
    const { tag } = await placeOf(dying.ctx, flow.flowId)
    const growth = { tag, flowId: flow.flowId, kind: 'f', notAfterMs: 0 } as const
    const hash = growthHashOf(content, [])
    await stage(dying.ctx, { ...growth, head: headOf(graph, content), hash, nodes: nodes.slice(0, 2) })
    expect(await flow.submit(small)).toMatchObject({ outcome: 'accepted' })
    expect(await flow.states()).toEqual({ n0: 'waiting', n1: 'waiting', n2: 'waiting_children' })
    expect(await flow.submit(small)).toMatchObject({ outcome: 'duplicate' })
  })

  it('after the commit, is let in by whoever comes, days later too', async () => {
    const { backend, flow } = await submitUntil('flows_release')
    await cleanUp(backend, partitions)
    await settle(backend, partitions)
    expect(new Set(Object.values(await flow.states()))).toEqual(new Set(['waiting']))
    expect(await flow.tryStart('n0')).toEqual(['n0'])
    const [lane] = (await backend.lanes.list({ namespace })).lanes
    expect(lane?.depth).toMatchObject({ active: 1, waiting: names.length - 1 })
  })
})
