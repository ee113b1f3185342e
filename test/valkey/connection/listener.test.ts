import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withClient } from '../../support/servers/valkey-client.js'
import { startValkeyCluster } from '../../support/servers/valkey-cluster.js'
import { again, type Connection, connect, startOwnValkey } from './connect.js'

/** Listens to the channels and writes down what it hears. */
function listen(connection: Connection, names: readonly string[]) {
  const heard: string[] = []
  const subscribed: string[] = []
  const targets = names.map((channel) => ({ channel, slot: connection.slotOf(channel) }))
  const listening = connection.listen(targets, {
    onMessage: (channel, message) => heard.push(`${channel} ${message}`),
    onSubscribed: (channels) => subscribed.push(...channels),
  })
  return { heard, subscribed, ...listening }
}

const publish = (connection: Connection, channel: string, message: string) =>
  connection.call(connection.slotOf(channel), ['SPUBLISH', channel, message], again)

describe('who listens to one server', () => {
  it('hears what others publish, in order, and by the barrier all of it', async () => {
    const { url } = await startOwnValkey()
    const [connection, other] = [await connect({ url }), await connect({ url })]
    const one = listen(connection, ['ch:{fp:1}', 'ch:{fp:2}'])
    const both = listen(connection, ['ch:{fp:2}'])
    await Promise.all([one.ready, both.ready])
    expect(one.subscribed.sort()).toEqual(['ch:{fp:1}', 'ch:{fp:2}'])
    for (let round = 0; round < 50; round += 1) {
      const count = one.heard.length
      await Promise.all([publish(other, 'ch:{fp:1}', `a${round}`), publish(other, 'ch:{fp:1}', `b${round}`)])
      expect(await connection.barrier()).toBe(true)
      expect(one.heard.slice(count)).toEqual([`ch:{fp:1} a${round}`, `ch:{fp:1} b${round}`])
    }
    await publish(other, 'ch:{fp:2}', 'x')
    expect(await connection.barrier(connection.slotOf('ch:{fp:2}'))).toBe(true)
    expect(both.heard).toEqual(['ch:{fp:2} x'])
    one.stop()
    await publish(other, 'ch:{fp:2}', 'y')
    expect(await connection.barrier()).toBe(true)
    expect(both.heard).toEqual(['ch:{fp:2} x', 'ch:{fp:2} y'])
    expect(one.heard).not.toContain('ch:{fp:2} y')
    expect(await publish(other, 'ch:{fp:1}', 'nobody')).toBe(0)
  })

  it('is not disturbed by another reader that throws', async () => {
    const { url } = await startOwnValkey()
    const connection = await connect({ url })
    const broken = () => {
      throw new Error('broken')
    }
    connection.listen([{ channel: 'c', slot: 0 }], { onMessage: broken, onSubscribed: broken })
    const { ready, heard } = listen(connection, ['c'])
    await ready
    await publish(connection, 'c', 'x')
    expect(await connection.barrier()).toBe(true)
    expect(heard).toEqual(['c x'])
  })

  it('is told when it may have missed something, and the barrier says so meanwhile', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, retryForMs: 10_000 })
    const { ready, heard, subscribed } = listen(connection, ['c'])
    await ready
    await server.kill()
    await expect.poll(() => connection.barrier()).toBe(false)
    await server.restart()
    await expect.poll(() => subscribed).toEqual(['c', 'c'])
    await publish(connection, 'c', 'x')
    expect(await connection.barrier()).toBe(true)
    expect(heard).toEqual(['c x'])
  })

  it('notices a server that has fallen silent', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, callTimeoutMs: 200 })
    const { ready, subscribed } = listen(connection, ['c'])
    await ready
    await server.kill('SIGSTOP')
    const began = performance.now()
    expect(await connection.barrier()).toBe(false)
    expect(performance.now() - began).toBeLessThan(2_000)
    await server.kill('SIGCONT')
    await expect.poll(() => subscribed.length, { timeout: 5_000 }).toBeGreaterThan(1)
  })

  it('learns that it may not', async () => {
    const { port, url } = await startOwnValkey()
    await withClient(port, (client) =>
      client.call('ACL', 'SETUSER', 'deaf', 'on', '>pw', '+@all', '~*', 'resetchannels'),
    )
    const connection = await connect({ url, username: 'deaf', password: 'pw' })
    await expect(listen(connection, ['c']).ready).rejects.toMatchObject({ code: 'invalid_configuration' })
    expect(await connection.barrier()).toBe(false)
  })

  it('is told that the connection was closed', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url })
    await server.kill()
    const { ready } = listen(connection, ['c'])
    const told = expect(ready).rejects.toMatchObject({ code: 'closed' })
    await connection.close()
    await told
    await expect(listen(connection, ['c']).ready).rejects.toMatchObject({ code: 'closed' })
  })
})

describe('who listens to a Cluster', () => {
  it('goes along with a slot that moves, and with a primary that is replaced', async () => {
    const cluster = await startValkeyCluster()
    onTestFinished(() => cluster.stop())
    const options = { nodes: cluster.addresses, cluster: true, retryForMs: 20_000 }
    const [connection, other] = [await connect(options), await connect(options)]
    const names = Array.from({ length: 24 }, (_, index) => `ch:{fp:${index}}`)
    const { ready, heard, subscribed } = listen(connection, names)
    await ready
    const hearAll = async (round: string) => {
      heard.length = 0
      await Promise.all(names.map((name) => publish(other, name, round)))
      expect(await connection.barrier()).toBe(true)
      expect(heard.sort()).toEqual(names.map((name) => `${name} ${round}`).sort())
    }
    await hearAll('first')

    const moving = 'ch:{fp:3}'
    const slot = connection.slotOf(moving)
    const home = await cluster.holderOf(slot)
    subscribed.length = 0
    // Barriers while the server takes the subscription back: an answer must never go to the wrong question.
    let isOver = false
    const barriers = (async () => {
      while (!isOver) await Promise.all([connection.barrier(), delay(1)])
    })()
    for (const to of [(home + 1) % 3, home, (home + 2) % 3]) {
      await cluster.moveSlot(slot, to)
      await expect.poll(() => connection.barrier(slot)).toBe(true)
    }
    isOver = true
    await barriers
    expect(new Set(subscribed)).toEqual(new Set([moving]))
    await hearAll('moved')

    const victim = await cluster.holderOf(connection.slotOf('ch:{fp:0}'))
    await cluster.kill(victim)
    await expect.poll(() => connection.barrier(), { timeout: 5_000 }).toBe(false)
    await expect.poll(() => connection.barrier(), { timeout: 20_000 }).toBe(true)
    await hearAll('replaced')
  })
})
