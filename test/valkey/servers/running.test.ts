import { createValkeyBackend } from '@flowfabric/backend-valkey'
import {
  type FoundationBackend,
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  must,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { codeOf } from '../../support/builders.js'
import type { ValkeyServer } from '../../support/servers/valkey.js'
import { withClient } from '../../support/servers/valkey-client.js'
import { startOwnValkey } from '../connection/connect.js'

const namespace = parseNamespace('servers')
const lane = parseLaneId('lane')
const kind = parseKind('work')

async function openStore() {
  const server = await startOwnValkey({ settings: { maxmemory: '200mb', 'maxmemory-policy': 'noeviction' } })
  const backend = createValkeyBackend({
    url: server.url,
    partitions: { flow: 1, budget: 1, quota: 1 },
    connectTimeoutMs: 500,
    callTimeoutMs: 500,
    retryForMs: 500,
  })
  onTestFinished(() => backend.maintenance.close())
  await backend.maintenance.prepare()
  return { server, backend }
}

function submit(backend: FoundationBackend) {
  const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 })
  return backend.executions.submit({ namespace, items: [{ id, kind, lane, input: null }] })
}

async function claim(backend: FoundationBackend) {
  const answer = await backend.leases.claim({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId: mintInstanceId(),
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    max: 1,
    leaseTtlMs: 60_000,
  })
  return answer.outcome === 'claimed' ? must(answer.leases[0], 'a lease').handle : undefined
}

const complete = (backend: FoundationBackend, handle: string) =>
  backend.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })

const configure = (server: ValkeyServer, name: string, value: string) =>
  withClient(server.port, (client) => client.config('SET', name, value))

const accepted = { items: [{ outcome: 'accepted' }] }
const completed = { items: [{ outcome: 'completed' }] }

describe('while it runs, a store', () => {
  it('that is full refuses new work and lets what there is be ended; with memory it goes on', async () => {
    const { server, backend } = await openStore()
    for (let n = 0; n < 2; n += 1) expect(await submit(backend)).toMatchObject(accepted)
    const handle = must(await claim(backend), 'a lease')
    await configure(server, 'maxmemory', '1')
    expect(await codeOf(submit(backend))).toBe('store_full')
    expect(await complete(backend, handle)).toMatchObject(completed)
    const other = must(await claim(backend), 'another lease')
    expect(await complete(backend, other)).toMatchObject(completed)
    await configure(server, 'maxmemory', '200mb')
    expect(await submit(backend)).toMatchObject(accepted)
    expect((await backend.executions.count({ namespace, filter: {} })).count).toBe(3)
  })

  it('that became read-only refuses every change, and is read all the same', async () => {
    const { server, backend } = await openStore()
    expect(await submit(backend)).toMatchObject(accepted)
    await configure(server, 'min-replicas-to-write', '1')
    expect(await codeOf(submit(backend))).toBe('store_unreachable')
    expect(await codeOf(claim(backend))).toBe('store_unreachable')
    expect((await backend.executions.count({ namespace, filter: {} })).count).toBe(1)
    await configure(server, 'min-replicas-to-write', '0')
    const handle = must(await claim(backend), 'a lease')
    expect(await complete(backend, handle)).toMatchObject(completed)
  })

  it('whose server may evict keys from now on is refused as soon as it is connected to again', async () => {
    const { server, backend } = await openStore()
    await configure(server, 'maxmemory-policy', 'allkeys-random')
    await withClient(server.port, (client) =>
      client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
    )
    // Whether the first call came before the cut is not known.
    const counted = () => codeOf(backend.executions.count({ namespace, filter: {} }))
    await expect.poll(counted, { timeout: 10_000 }).toBe('store_unsupported')
    expect(await codeOf(submit(backend))).toBe('store_unsupported')
    await configure(server, 'maxmemory-policy', 'noeviction')
    // A try to connect that was under way may still be refused.
    const again = () => submit(backend).catch((error: unknown) => error)
    await expect.poll(again, { timeout: 10_000 }).toMatchObject(accepted)
  })

  it('whose server has gone is unreachable, and is itself again when it is back', async () => {
    const { server, backend } = await openStore()
    expect(await submit(backend)).toMatchObject(accepted)
    await server.kill('SIGTERM')
    expect(await codeOf(submit(backend))).toBe('store_unreachable')
    await server.restart()
    expect(await submit(backend)).toMatchObject(accepted)
    expect((await backend.executions.count({ namespace, filter: {} })).count).toBe(2)
  })
})
