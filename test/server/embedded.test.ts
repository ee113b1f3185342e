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
import { createEmbedded, type Embedded } from '@flowfabric/embedded'
import { afterEach, describe, expect, it } from 'vitest'

const namespace = parseNamespace('embedded')
const lane = parseLaneId('default')
const kind = parseKind('work')
const opened: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of opened.splice(0)) await each.stop()
})

async function open(store: string): Promise<Embedded> {
  const embedded = await createEmbedded({ store, partitions: { flow: 2, budget: 1, quota: 1 } })
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
  it('runs work, in memory', async () => {
    const embedded = await open(':memory:')
    expect(embedded.info).toEqual({ kind: 'memory', store: ':memory:' })
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

  it('keeps a folder to itself, says where it is, and finds everything again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flowfabric-embedded-'))
    try {
      const first = await open(folder)
      first.announce('http://127.0.0.1:1')
      const id = await submit(first)
      await expect(createEmbedded({ store: folder })).rejects.toMatchObject({
        code: 'store_in_use',
        details: { pid: process.pid, url: 'http://127.0.0.1:1' },
      })
      await first.stop()
      const second = await open(folder)
      const { execution } = await second.backend.executions.get({ namespace, id })
      expect(execution.publicState).toBe('waiting')
      await second.stop()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('refuses other partition counts than the store has, and gives the folder up again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flowfabric-embedded-'))
    try {
      await (await open(folder)).stop()
      await expect(createEmbedded({ store: folder, partitions: { flow: 3 } })).rejects.toMatchObject({
        code: 'partition_count_mismatch',
        details: { stored: 2, configured: 3 },
      })
      await (await open(folder)).stop()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('ends its process when it is stopped: nothing is left running', () => {
    const program = `
      import { createEmbedded } from '@flowfabric/embedded'
      const embedded = await createEmbedded({ store: ':memory:' })
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
        env: { ...process.env, TSX_DISABLE_CACHE: '1' },
      },
    )
    expect(ran).toMatchObject({ status: 0, stdout: 'stopped\n' })
  })
})
