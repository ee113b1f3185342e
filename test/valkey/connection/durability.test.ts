import { describe, expect, it } from 'vitest'
import { withClient } from '../../support/servers/valkey-client.js'
import { again, type Command, connect, readCount, startOwnValkey } from './connect.js'

const mark = (): Command => ['INCR', 'mark']
const put = (index: number): Command => ['SET', `key:${index}`, index]
const lost = { code: 'timed_out', mayHaveCommitted: true }

/** Two servers, of which one may become the other's replica without the usual delay. */
function startPair() {
  const settings = { 'repl-diskless-sync-delay': 0 }
  return Promise.all([startOwnValkey({ settings }), startOwnValkey({ settings })])
}

describe('an answer that waits until it is durable', () => {
  it('waits for the disk, together with all others of its tick', async () => {
    const { url } = await startOwnValkey()
    const durability = { for: ['submit' as const], aof: { local: 1 as const, replicas: 0 }, timeoutMs: 3_000 }
    const connection = await connect({ url, durability }, { mark })
    expect([...connection.durable]).toEqual(['submit'])
    const settled = async (index: number) => {
      const { reply, settle } = await connection.callDurably(0, put(index), again)
      await settle()
      return String(reply)
    }
    // The first one connects.
    await settled(0)
    const before = await readCount(connection, 'commandstats', 'cmdstat_waitaof')
    const replies = await Promise.all(Array.from({ length: 50 }, (_, index) => settled(index)))
    expect(new Set(replies)).toEqual(new Set(['OK']))
    expect((await readCount(connection, 'commandstats', 'cmdstat_waitaof')) - before).toBeLessThanOrEqual(2)
  })

  it('waits for replicas, and times out without', async () => {
    const [server, replica] = await startPair()
    const durability = { for: ['terminal' as const], replicas: 1, timeoutMs: 10_000 }
    const connection = await connect({ url: server.url, durability }, { mark })
    const hasty = { url: server.url, durability: { ...durability, timeoutMs: 200 } }
    const alone = await (await connect(hasty, { mark })).callDurably(0, put(1), again)
    await expect(alone.settle()).rejects.toMatchObject({
      ...lost,
      message: expect.stringContaining('0 of 1'),
    })
    await withClient(replica.port, (client) => client.replicaof('127.0.0.1', server.port))
    const isInSync = () =>
      withClient(replica.port, async (client) => /link_status:up/.test(await client.info()))
    await expect.poll(isInSync, { timeout: 10_000 }).toBe(true)
    const followed = await connection.callDurably(0, put(2), again)
    await followed.settle()
    expect(await withClient(replica.port, (client) => client.get('key:2'))).toBe('2')
  })

  it('cannot be told when the server that answered was restarted', async () => {
    const server = await startOwnValkey()
    const durability = { for: ['submit' as const], aof: { local: 1 as const, replicas: 0 }, timeoutMs: 3_000 }
    const connection = await connect({ url: server.url, durability, retryForMs: 10_000 }, { mark })
    const { settle } = await connection.callDurably(0, put(1), again)
    await server.restart()
    await expect(settle()).rejects.toMatchObject({ ...lost, message: expect.stringContaining('restarted') })
    const after = await connection.callDurably(0, put(2), again)
    await after.settle()
  })

  it('is not waited for where nobody asked for it, and needs a disk where somebody did', async () => {
    const { url } = await startOwnValkey({ settings: { appendonly: 'no' } })
    const connection = await connect({ url })
    const { settle } = await connection.callDurably(0, put(1), again)
    await settle()
    expect(connection.durable.size).toBe(0)
    const durability = { for: ['submit' as const], aof: { local: 1 as const, replicas: 0 }, timeoutMs: 100 }
    const refused = { code: 'invalid_configuration' }
    await expect(connect({ url, durability }, { mark })).rejects.toMatchObject(refused)
    await expect(connect({ url, durability })).rejects.toMatchObject(refused)
  })
})
