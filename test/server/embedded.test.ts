import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import { createEmbedded, type Embedded, type EmbeddedOptions } from '@flowfabric/embedded'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { inheritedEnv } from '../support/inherited-env.js'
import { createStorePlace, type StorePlaceOptions } from '../support/store-place.js'

const namespace = parseNamespace('embedded')
const lane = parseLaneId('default')
const kind = parseKind('work')
const opened: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
})

async function aPlace(options?: StorePlaceOptions) {
  const place = await createStorePlace(options)
  onTestFinished(() => place.remove())
  return place.embedded
}

async function open(place: Pick<EmbeddedOptions, 'store' | 'valkey'>): Promise<Embedded> {
  const embedded = await createEmbedded({ ...place, partitions: { flow: 2, budget: 1, quota: 1 } })
  opened.push(embedded)
  await embedded.start()
  return embedded
}

async function submit({ backend }: Embedded) {
  const id = mintSoloExecutionId({ namespace, lane, shards: 1, count: 2 })
  const { items } = await backend.executions.submit({ namespace, items: [{ id, kind, lane, input: null }] })
  expect(items[0]?.outcome).toBe('accepted')
  return id
}

describe('an embedded engine', () => {
  it('runs work', async () => {
    const place = await aPlace()
    const embedded = await open(place)
    expect(embedded.info.store).toBe(place.store)
    const id = await submit(embedded)
    const claimed = await embedded.backend.leases.claim({
      claimId: mintClaimId(),
      workerId: parseWorkerId('w'),
      instanceId: mintInstanceId(),
      namespaces: [namespace],
      lanes: [lane],
      kinds: [kind],
      capabilities: [],
      max: 1,
      leaseTtlMs: 30_000,
      waitMs: 10_000,
    })
    const handle = claimed.outcome === 'claimed' ? (claimed.leases[0]?.handle ?? '') : ''
    const waiting = embedded.engine.results.waitForExecution({ namespace, id, waitMs: 10_000 })
    await embedded.backend.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })
    expect(await waiting).toMatchObject({ outcome: 'success' })
  })

  it('finds everything again, and refuses other partition counts than the store has', async () => {
    const place = await aPlace({ lasting: true })
    const first = await open(place)
    const id = await submit(first)
    await first.stop()
    await expect(createEmbedded({ ...place, partitions: { flow: 3 } })).rejects.toMatchObject({
      code: 'partition_count_mismatch',
      details: { stored: 2, configured: 3 },
    })
    // What was refused holds nothing of it.
    const second = await open(place)
    const { execution } = await second.backend.executions.get({ namespace, id })
    expect(execution.publicState).toBe('waiting')
  })

  it('ends its process when it is stopped: nothing is left running', async () => {
    const program = `
      import { createEmbedded } from '@flowfabric/embedded'
      const embedded = await createEmbedded(${JSON.stringify(await aPlace())})
      await embedded.start()
      await embedded.stop()
      console.log('stopped')`
    const ran = spawnSync(
      process.execPath,
      ['--conditions=flowfabric-source', '--import', 'tsx', '--input-type=module', '--eval', program],
      {
        cwd: new URL('..', import.meta.url),
        timeout: 50_000,
        encoding: 'utf8',
        // Its cache would be left behind among the temporary files.
        env: { ...inheritedEnv, TSX_DISABLE_CACHE: '1' },
      },
    )
    expect(ran).toMatchObject({ status: 0, stdout: 'stopped\n' })
  })
})

describe('an embedded store', () => {
  it('in a folder keeps it to one process, and says where that is', async () => {
    const store = await mkdtemp(join(tmpdir(), 'flowfabric-embedded-'))
    try {
      const first = await open({ store })
      first.announce('http://127.0.0.1:1')
      await expect(createEmbedded({ store })).rejects.toMatchObject({
        code: 'store_in_use',
        details: { pid: process.pid, url: 'http://127.0.0.1:1' },
      })
      await first.stop()
      await (await open({ store })).stop()
    } finally {
      await rm(store, { recursive: true, force: true })
    }
  })
})
