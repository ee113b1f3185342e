import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAddressPolicy } from './address-policy.js'
import { post, type ResolveName } from './post.js'

let hits = 0
const server = createServer((_request, response) => {
  hits += 1
  response.writeHead(204).end()
})
let port = 0
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  port = (server.address() as AddressInfo).port
})
afterAll(() => server.close())

const four = (address: string) => ({ address, family: 4 })

function postTo(host: string, resolve: ResolveName, allow: readonly string[] = []) {
  return post({
    url: new URL(`http://${host}:${port}/`),
    headers: {},
    body: '{}',
    timeoutMs: 2_000,
    signal: new AbortController().signal,
    policy: createAddressPolicy({ allow, allowHttp: true }),
    resolve,
  })
}

describe('a name', () => {
  it('that resolves to what is not allowed is not connected to', async () => {
    const before = hits
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254']) {
      const answer = await postTo('rebound.example', async () => [four(address)])
      expect(answer).toEqual({ failure: 'address_refused' })
    }
    expect(await postTo('v6.example', async () => [{ address: '::1', family: 6 }])).toEqual({
      failure: 'address_refused',
    })
    expect(await postTo('nothing.example', async () => [])).toEqual({ failure: 'address_refused' })
    expect(hits).toBe(before)
  })

  it('is judged by the addresses that the connection itself gets: what it resolved to before says nothing', async () => {
    const before = hits
    const answers = [['127.0.0.2'], ['127.0.0.1']]
    let asked = 0
    const resolve: ResolveName = async () => (answers[Math.min(asked++, 1)] ?? []).map(four)
    // Allowed is the first answer alone; nobody listens there.
    const rebinding = () => postTo('rebinding.example', resolve, ['127.0.0.2'])
    expect(await rebinding()).toEqual({ failure: 'connection_failed' })
    expect(await rebinding()).toEqual({ failure: 'address_refused' })
    expect(asked).toBe(2)
    expect(hits).toBe(before)
  })

  it('of several addresses is connected to at one that is allowed', async () => {
    const resolve: ResolveName = async () => [four('10.0.0.1'), four('127.0.0.1')]
    expect(await postTo('mixed.example', resolve, ['127.0.0.1'])).toMatchObject({ status: 204 })
  })

  it('that does not resolve is a failed connection', async () => {
    const resolve: ResolveName = () => Promise.reject(new Error('ENOTFOUND'))
    expect(await postTo('missing.example', resolve)).toEqual({ failure: 'connection_failed' })
  })
})
