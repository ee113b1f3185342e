import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withClient } from '../../support/servers/valkey-client.js'
import { again, callOnKey, connect, once, startOwnValkey } from './connect.js'

/** Two servers, of which one may become the other's replica without the usual delay. */
function startPair() {
  const settings = { 'repl-diskless-sync-delay': 0 }
  return Promise.all([startOwnValkey({ settings }), startOwnValkey({ settings })])
}

describe('a server that goes away', () => {
  it('and comes back is waited for: every call is answered', async () => {
    const server = await startOwnValkey({ durable: true })
    const connection = await connect({ url: server.url, retryForMs: 20_000 })
    let answered = 0
    let isOver = false
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      for (let round = 0; !isOver; round += 1) {
        await callOnKey(connection, ['SET', `caller:${caller}`, round])
        answered += 1
        expect(String(await callOnKey(connection, ['GET', `caller:${caller}`]))).toBe(String(round))
      }
    })
    for (let kill = 0; kill < 2; kill += 1) {
      const before = answered
      await expect.poll(() => answered, { timeout: 20_000 }).toBeGreaterThan(before + 200)
      await server.kill()
      await delay(200)
      await server.restart()
    }
    const before = answered
    await expect.poll(() => answered, { timeout: 20_000 }).toBeGreaterThan(before + 200)
    isOver = true
    await Promise.all(callers)
  })

  it('leaves a call that may not be repeated open, and the others until their time is over', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, retryForMs: 400 })
    await server.kill('SIGSTOP')
    const calls = [callOnKey(connection, ['INCR', 'a'], once), callOnKey(connection, ['INCR', 'a'], again)]
    await delay(50)
    const ends = Promise.allSettled(calls)
    await server.kill('SIGKILL')
    const lost = { code: 'connection_lost', mayHaveCommitted: true }
    expect(await ends).toMatchObject([{ reason: lost }, { reason: lost }])
    const unsent = callOnKey(connection, ['INCR', 'a'], once)
    const began = performance.now()
    await expect(unsent).rejects.toMatchObject({ code: 'store_unreachable' })
    await unsent.catch((error) => expect(error).not.toHaveProperty('mayHaveCommitted'))
    expect(performance.now() - began).toBeGreaterThan(350)
    await server.restart()
    await expect.poll(() => connection.primaries()[0]?.isConnected, { timeout: 5_000 }).toBe(true)
    expect(await callOnKey(connection, ['INCR', 'b'], once)).toBe(1)
  })

  it('and comes back at once gets no call again that may not be repeated', async () => {
    const server = await startOwnValkey({ durable: true })
    const connection = await connect({ url: server.url, retryForMs: 10_000 })
    await server.kill('SIGSTOP')
    const calls = [callOnKey(connection, ['INCR', 'a'], once), callOnKey(connection, ['INCR', 'b'], again)]
    const ends = Promise.allSettled(calls)
    await delay(50)
    await server.restart()
    expect(await ends).toMatchObject([
      { reason: { code: 'connection_lost', mayHaveCommitted: true } },
      { status: 'fulfilled' },
    ])
  })

  it('is never waited for by a connection that is closed', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, retryForMs: 30_000 })
    await server.kill()
    const waiting = expect(callOnKey(connection, ['INCR', 'a'])).rejects.toMatchObject({ code: 'closed' })
    await delay(100)
    const began = performance.now()
    await connection.close()
    await waiting
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

describe('a server that does not answer', () => {
  it('is given up after the time limit, and the call is repeated on a new connection', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, callTimeoutMs: 300, retryForMs: 20_000 })
    await server.kill('SIGSTOP')
    const call = callOnKey(connection, ['INCR', 'a'], again)
    await delay(600)
    await server.kill('SIGCONT')
    // What was tried before the server went on is carried out as well; on a busy machine that is more than one try.
    expect(await call).toBeGreaterThanOrEqual(2)
  })

  it('is given up as dead, not as slow, also where the timer runs a little early', async () => {
    const server = await startOwnValkey()
    const options = { url: server.url, callTimeoutMs: 100, retryForMs: 20_000 }
    const connections = await Promise.all(Array.from({ length: 30 }, () => connect(options)))
    await server.kill('SIGSTOP')
    // Of a process that is busy with small things, about every fifth timer runs up to a millisecond early.
    const small = setInterval(() => {
      const busyUntil = performance.now() + Math.random() * 2
      while (performance.now() < busyUntil);
    }, 3)
    const calls = connections.map(async (connection, place) => {
      await delay(place * 3)
      return callOnKey(connection, ['INCR', 'a'], again)
    })
    const ends = Promise.allSettled(calls)
    await delay(300)
    clearInterval(small)
    await server.kill('SIGCONT')
    expect((await ends).filter(({ status }) => status === 'rejected')).toEqual([])
  })

  it('makes calls time out that may have been carried out', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, callTimeoutMs: 200, retryForMs: 300 })
    await server.kill('SIGSTOP')
    const began = performance.now()
    const calls = [callOnKey(connection, ['INCR', 'a'], once), callOnKey(connection, ['INCR', 'a'], again)]
    const [first, second] = await Promise.allSettled(calls)
    expect(first).toMatchObject({ reason: { code: 'timed_out', mayHaveCommitted: true } })
    expect(second).toMatchObject({ reason: { code: 'timed_out', mayHaveCommitted: true } })
    expect(performance.now() - began).toBeLessThan(200 + 300 + 1_000)
    await server.kill('SIGCONT')
    await expect.poll(() => connection.primaries()[0]?.isConnected).toBe(true)
    expect(String(await callOnKey(connection, ['SET', 'b', 'x']))).toBe('OK')
  })

  it('is not given up when this process itself was busy for so long', async () => {
    const server = await startOwnValkey()
    const connection = await connect({ url: server.url, callTimeoutMs: 100, retryForMs: 100 })
    const call = callOnKey(connection, ['INCR', 'a'], once)
    await new Promise((resolve) => setImmediate(resolve))
    const busyUntil = performance.now() + 300
    while (performance.now() < busyUntil);
    expect(await call).toBe(1)
  })
})

describe('a primary and its replicas', () => {
  it('change places, and calls go where the primary is', async () => {
    const [one, other] = await startPair()
    await withClient(other.port, (client) => client.replicaof('127.0.0.1', one.port))
    const nodes = [`127.0.0.1:${other.port}`, `127.0.0.1:${one.port}`]
    const connection = await connect({ nodes, retryForMs: 10_000 })
    expect(connection.primaries().map(({ name }) => name)).toEqual([`127.0.0.1:${one.port}`])
    const isInSync = () =>
      withClient(other.port, async (client) => /link_status:up/.test(await client.info()))
    await expect.poll(isInSync, { timeout: 10_000 }).toBe(true)
    await callOnKey(connection, ['SET', 'k', 'v'])
    await withClient(other.port, (client) => client.replicaof('NO', 'ONE'))
    await withClient(one.port, (client) => client.replicaof('127.0.0.1', other.port))
    expect(String(await callOnKey(connection, ['SET', 'k', 'w']))).toBe('OK')
    expect(connection.primaries().map(({ name }) => name)).toEqual([`127.0.0.1:${other.port}`])
    expect(await withClient(other.port, (client) => client.get('k'))).toBe('w')
  })

  it('change places behind a name that leads to the primary: what is open goes after it', async () => {
    const [one, other] = await startPair()
    await withClient(other.port, (client) => client.replicaof('127.0.0.1', one.port))
    const name = await startName(one.port)
    const connection = await connect({ url: `valkey://127.0.0.1:${name.port}`, retryForMs: 10_000 })
    const heard: string[] = []
    const { ready } = connection.listen([{ channel: 'c', slot: 0 }], {
      onMessage: (_, message) => heard.push(String(message)),
      onSubscribed: () => {},
    })
    await ready
    await withClient(other.port, (client) => client.replicaof('NO', 'ONE'))
    await withClient(one.port, (client) => client.replicaof('127.0.0.1', other.port))
    name.leadTo(other.port)
    expect(String(await callOnKey(connection, ['SET', 'k', 'w']))).toBe('OK')
    expect(await withClient(other.port, (client) => client.get('k'))).toBe('w')
    await expect.poll(() => connection.barrier()).toBe(true)
    await withClient(other.port, (client) => client.spublish('c', 'x'))
    expect(await connection.barrier()).toBe(true)
    expect(heard).toEqual(['x'])
  })
})

/** A port that leads new connections to where it is told, as a name does that is pointed elsewhere. */
async function startName(first: number): Promise<{ port: number; leadTo(port: number): void }> {
  let target = first
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = createConnection(target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    leadTo(port) {
      target = port
    },
  }
}
