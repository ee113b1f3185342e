import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseNamespace } from '@flowfabric/core'
import { afterEach, describe, expect, it } from 'vitest'
import { HttpCaller } from './http-caller.js'

const namespace = parseNamespace('default')
const never: RequestListener = () => {}
const answer: RequestListener = (_, response) =>
  response.setHeader('content-type', 'application/json').end('{"a":1}')
const servers: Server[] = []
const callers: HttpCaller[] = []

afterEach(() => {
  for (const caller of callers.splice(0)) caller.close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(listener: RequestListener): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe.each([
  ['of Node', undefined],
  ['of the platform', globalThis.fetch],
])('calls by the client %s', (_name, fetch) => {
  function connect(url: string, timeoutMs = 5_000): HttpCaller {
    const caller = new HttpCaller({ url, token: 't', timeoutMs, fetch }, namespace)
    callers.push(caller)
    return caller
  }

  it('one after the other share a connection', async () => {
    let connections = 0
    const { server, url } = await serve(answer)
    server.on('connection', () => {
      connections += 1
    })
    const caller = connect(url)
    for (let nth = 0; nth < 20; nth++) expect(await caller.get('/x', {}, {})).toEqual({ a: 1 })
    // The platform's client may open a second one.
    expect(connections).toBeLessThan(5)
  })

  it('of any length come and go whole', async () => {
    const text = 'ü'.repeat(1_000_000)
    const seen: unknown[] = []
    const { url } = await serve((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks)
        seen.push([Number(request.headers['content-length']) === body.length, JSON.parse(body.toString())])
        response.end(body)
      })
    })
    const echo = {
      method: 'POST',
      path: '/x',
      refusals: [],
      writeRequest: (body: unknown) => ({ body }),
      readAnswer: (json: unknown) => json,
    } as const
    expect(await connect(url).call(echo, [text])).toEqual([text])
    expect(seen).toEqual([[true, [text]]])
  })

  it('to a port where nobody listens have done nothing', async () => {
    const { server, url } = await serve(never)
    server.close()
    await once(server, 'close')
    const failure = { code: 'connection_lost', mayHaveCommitted: false }
    await expect(connect(url).get('/x', {}, {})).rejects.toMatchObject(failure)
  })

  it('that are not answered in time say so', async () => {
    const { url } = await serve(never)
    const failure = { code: 'timed_out', mayHaveCommitted: true }
    await expect(connect(url, 50).get('/x', {}, {})).rejects.toMatchObject(failure)
  })

  it('may take as much longer as the server may wait', async () => {
    const { url } = await serve((_, response) => setTimeout(() => response.end('1'), 200))
    expect(await connect(url, 100).get('/x', {}, { waitMs: 2_000 })).toBe(1)
  })

  it('whose answer breaks off are lost', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"a"')
      setTimeout(() => response.destroy(), 20)
    })
    const failure = { code: 'connection_lost', mayHaveCommitted: true }
    await expect(connect(url).get('/x', {}, {})).rejects.toMatchObject(failure)
  })

  it('whose answer stops in the middle end in their time, or with the connection', async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"a"')
    })
    const failure = { code: 'timed_out', mayHaveCommitted: true }
    await expect(connect(url, 100).get('/x', {}, {})).rejects.toMatchObject(failure)
    const caller = connect(url)
    const underWay = expect(caller.get('/x', {}, {})).rejects.toMatchObject({ code: 'closed' })
    setTimeout(() => caller.close(), 100)
    await underWay
  })

  it('that are answered by another protocol are lost', async () => {
    const { url } = await serve((request) => {
      request.socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    })
    const failure = { code: 'connection_lost', mayHaveCommitted: true }
    await expect(connect(url).get('/x', {}, {})).rejects.toMatchObject(failure)
  })

  it.each([0, -1, Number.NaN])('need a time, and %d is none', (timeoutMs) => {
    expect(() => connect('http://127.0.0.1:1', timeoutMs)).toThrow(/timeoutMs/)
  })

  it('may have any time', async () => {
    const { url } = await serve(answer)
    expect(await connect(url, Number.POSITIVE_INFINITY).get('/x', {}, {})).toEqual({ a: 1 })
  })

  it('end when the connection is closed, and none begins after', async () => {
    const { server, url } = await serve(never)
    const caller = connect(url)
    const underWay = expect(caller.get('/x', {}, {})).rejects.toMatchObject({ code: 'closed' })
    await once(server, 'request')
    caller.close()
    await underWay
    await expect(caller.get('/x', {}, {})).rejects.toMatchObject({ code: 'closed' })
  })

  it('end with their caller, however many it has, and nobody is warned', async () => {
    const warnings: string[] = []
    const onWarning = ({ name }: Error) => warnings.push(name)
    process.on('warning', onWarning)
    try {
      let arrived = 0
      let left = 0
      const { url } = await serve((request) => {
        arrived += 1
        request.on('close', () => {
          left += 1
        })
      })
      const abort = new AbortController()
      const caller = connect(url)
      const calls = Array.from({ length: 30 }, () => caller.get('/x', {}, { signal: abort.signal }))
      const ended = Promise.allSettled(calls)
      await expect.poll(() => arrived, { timeout: 10_000 }).toBe(30)
      abort.abort()
      expect((await ended).every(({ status }) => status === 'rejected')).toBe(true)
      await expect.poll(() => left).toBe(30)
      await expect(caller.get('/x', {}, { signal: abort.signal })).rejects.toThrow()
      expect(arrived).toBe(30)
      expect(warnings).toEqual([])
    } finally {
      process.off('warning', onWarning)
    }
  })

  it('that stream end with their reader', async () => {
    let left = 0
    const { url } = await serve((request, response) => {
      request.on('close', () => {
        left += 1
      })
      response.write('data: 1\n\n')
    })
    const caller = connect(url)
    for await (const chunk of caller.openStream('/x', new AbortController().signal)) {
      expect(Buffer.from(chunk).toString()).toBe('data: 1\n\n')
      break
    }
    await expect.poll(() => left).toBe(1)
    const abort = new AbortController()
    const reading = (async () => {
      for await (const _ of caller.openStream('/x', abort.signal)) abort.abort()
    })()
    await expect(reading).rejects.toThrow()
    await expect.poll(() => left).toBe(2)
  })
})
