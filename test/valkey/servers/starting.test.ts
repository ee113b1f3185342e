import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runCommand } from '../../server/support/command-line.js'
import { fieldOf, withClient } from '../../support/servers/valkey-client.js'
import { until } from '../../support/until.js'
import { startOwnValkey } from '../connection/connect.js'
import { showAsOlder } from './older-server.js'

/** `flowfabric serve` on a server that cannot hold the store: it ends, says why, and says it by its exit code. */
async function serve(url: string, more: Readonly<Record<string, string>> = {}) {
  const cwd = await mkdtemp(join(tmpdir(), 'flowfabric-serve-'))
  onTestFinished(() => rm(cwd, { recursive: true, force: true }))
  return runCommand(cwd, ['serve', '--port', '0', '--log-level', 'silent'], {
    FF_BACKEND: 'valkey',
    FF_VALKEY_URL: url,
    FF_TOKEN: 'a-token-of-some-length',
    ...more,
  })
}

/** The one line that a person reads. */
const saying = (code: number, ...said: readonly string[]) => ({
  code,
  out: '',
  err: expect.stringMatching(new RegExp(`^${said.join('.*')}[^\n]*$`)),
})

describe('a server is not started', () => {
  it('where nobody listens', async () => {
    expect(await serve('valkey://127.0.0.1:1')).toEqual(saying(3, 'store_unreachable: ', 'ECONNREFUSED'))
  })

  it('on a replica, which takes no writes', async () => {
    const { port, url } = await startOwnValkey()
    await withClient(port, (client) => client.replicaof('127.0.0.1', 1))
    expect(await serve(url)).toEqual(saying(3, 'store_unreachable: ', 'replica'))
  })

  it('on a primary that takes no writes without its replicas', async () => {
    const { url } = await startOwnValkey({ settings: { 'min-replicas-to-write': 1 } })
    expect(await serve(url)).toEqual(saying(3, 'store_unreachable: ', 'NOREPLICAS'))
  })

  it('on a primary that takes no writes since it cannot write to its disk', async () => {
    const { port, url } = await startOwnValkey({ settings: { 'enable-protected-configs': 'yes' } })
    await breakSaving(port)
    expect(await serve(url)).toEqual(saying(3, 'store_unreachable: ', 'takes no writes', 'MISCONF'))
  })

  it('on a server without memory', async () => {
    const { url } = await startOwnValkey({ settings: { maxmemory: 1, 'maxmemory-policy': 'noeviction' } })
    expect(await serve(url)).toEqual(saying(1, 'store_full: ', 'OOM'))
  })

  it.each(['allkeys-lru', 'volatile-ttl'])('on a server that evicts keys by %s', async (policy) => {
    const { url } = await startOwnValkey({ settings: { 'maxmemory-policy': policy } })
    expect(await serve(url)).toEqual(saying(1, 'store_unsupported: ', policy, 'noeviction'))
  })

  it('on a server that is too old', async () => {
    const { port } = await startOwnValkey()
    expect(await serve(await showAsOlder(port))).toEqual(
      saying(1, 'store_unsupported: ', 'valkey 0?6', '7\\.2 or newer'),
    )
  })

  it('with a wrong password, or as a Cluster that it is not', async () => {
    const { port, url } = await startOwnValkey()
    expect(await serve(url, { FF_VALKEY_CLUSTER: 'true' })).toEqual(
      saying(2, 'invalid_configuration: ', 'no node of a Cluster'),
    )
    await withClient(port, (client) => client.config('SET', 'requirepass', 'right'))
    const wrong = `valkey://:not-this-one@127.0.0.1:${port}`
    const ran = await serve(wrong)
    expect(ran).toEqual(saying(2, 'invalid_configuration: ', 'credentials'))
    expect(ran.err).not.toContain('not-this-one')
  })

  it('with other counts of partitions than the store has', async () => {
    const { url } = await startOwnValkey()
    const doctor = (flow: string) =>
      runCommand(tmpdir(), ['doctor'], {
        FF_BACKEND: 'valkey',
        FF_VALKEY_URL: url,
        FF_FLOW_PARTITIONS: flow,
        FF_TOKEN: 'a-token-of-some-length',
      })
    expect(await doctor('2')).toMatchObject({ code: 0 })
    expect(await serve(url, { FF_FLOW_PARTITIONS: '3' })).toEqual(saying(1, 'partition_count_mismatch: '))
    expect(await doctor('2')).toMatchObject({ code: 0 })
  })
})

/** Its folder is gone when it wants to save: from then on it refuses writes. */
async function breakSaving(port: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-gone-'))
  await withClient(port, async (client) => {
    await client.config('SET', 'appendonly', 'no')
    await client.config('SET', 'save', '3600 1')
    await client.config('SET', 'dir', folder)
    await rm(folder, { recursive: true })
    await client.bgsave()
    const state = async () => fieldOf(await client.info('persistence'), 'rdb_last_bgsave_status')
    await until('it could not save', async () => (await state()) === 'err')
  })
}
