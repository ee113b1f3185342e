import { describe, expect, it } from 'vitest'
import { withClient } from '../../support/servers/valkey-client.js'
import { callOnKey, connect, openConnection, startOwnValkey } from './connect.js'

const setPassword = (port: number, password: string) =>
  withClient(port, (client) => client.config('SET', 'requirepass', password))
const soon = { connectTimeoutMs: 300, retryForMs: 300 }

describe('a connection that cannot be used', () => {
  it('is refused at once with a wrong password, without one, and with one that nobody asked for', async () => {
    const { port, url } = await startOwnValkey()
    await setPassword(port, 'right')
    const open = await startOwnValkey()
    const began = performance.now()
    for (const options of [
      { url: `valkey://:wrong@127.0.0.1:${port}` },
      { url: `valkey://nobody:right@127.0.0.1:${port}` },
      { url },
      { url: open.url, password: 'right' },
      { url: `${open.url}/100000` },
    ]) {
      await expect(openConnection(options)).rejects.toMatchObject({ code: 'invalid_configuration' })
    }
    expect(performance.now() - began).toBeLessThan(2_500)
    const connection = await connect({ url, password: 'right' })
    expect(String(await callOnKey(connection, ['SET', 'k', 'v']))).toBe('OK')
  })

  it('is refused with a policy by which the server may throw keys away', async () => {
    const settings = { maxmemory: '50mb', 'maxmemory-policy': 'allkeys-lru' }
    const { url } = await startOwnValkey({ settings })
    await expect(openConnection({ url })).rejects.toMatchObject({
      code: 'store_unsupported',
      message: expect.stringContaining('allkeys-lru'),
    })
  })

  it('is refused when the server is no node of a Cluster', async () => {
    const { port, url } = await startOwnValkey()
    const options = { nodes: [`127.0.0.1:${port}`], cluster: true }
    await expect(openConnection(options)).rejects.toMatchObject({ code: 'invalid_configuration' })
    expect((await connect({ url })).primaries()).toMatchObject([{ isConnected: true, note: undefined }])
  })

  it('is refused when there is only a replica, or nobody', async () => {
    const { port, url } = await startOwnValkey()
    await withClient(port, (client) => client.replicaof('127.0.0.1', 1))
    await expect(openConnection({ url, ...soon })).rejects.toMatchObject({
      code: 'store_unreachable',
      message: expect.stringContaining('replica'),
    })
    await expect(openConnection({ url: 'valkey://127.0.0.1:1', ...soon })).rejects.toMatchObject({
      code: 'store_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it('is refused by a server that hangs, within the time to connect', async () => {
    const server = await startOwnValkey()
    await server.kill('SIGSTOP')
    const opening = openConnection({ url: server.url, ...soon })
    await expect(opening).rejects.toMatchObject({ code: 'store_unreachable' })
    await server.kill('SIGCONT')
  })
})

describe('a call to a store', () => {
  it('that is full is refused, while others go on', async () => {
    const server = await startOwnValkey({ settings: { maxmemory: '100mb' } })
    const connection = await connect({ url: server.url })
    await callOnKey(connection, ['SET', 'k', 'v'])
    await withClient(server.port, (client) => client.config('SET', 'maxmemory', '1'))
    await expect(callOnKey(connection, ['SET', 'k', 'w'])).rejects.toMatchObject({ code: 'store_full' })
    expect(String(await callOnKey(connection, ['GET', 'k']))).toBe('v')
  })

  it('whose password was changed is refused when it has to connect again', async () => {
    const { port, url } = await startOwnValkey()
    const connection = await connect({ url })
    await setPassword(port, 'new')
    // A connection that is open already stays so.
    expect(String(await callOnKey(connection, ['SET', 'k', 'v']))).toBe('OK')
    await withClient(port, async (client) => {
      await client.auth('new')
      await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    })
    await expect(callOnKey(connection, ['SET', 'k', 'w'])).rejects.toMatchObject({
      code: 'invalid_configuration',
    })
  })
})
