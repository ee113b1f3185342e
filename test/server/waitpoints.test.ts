import {
  deriveWaitpointId,
  mintExecutionId,
  mintWaitpointId,
  parseExecutionId,
  SigningKeys,
  SigningSecret,
} from '@flowfabric/core'
import { createClient, createWorker, defineTask } from '@flowfabric/sdk'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallOptions, startTestServer, type TestServer } from './support/test-server.js'

const secrets = [
  new SigningSecret('k1', 'the-first-secret-of-32-bytes-or-more'),
  new SigningSecret('k2', 'the-second-secret-of-32-bytes-or-more'),
]
const logged: string[] = []
let server: TestServer

beforeAll(async () => {
  server = await startTestServer({
    signingSecrets: secrets,
    logger: pino({ level: 'trace' }, { write: (line: string) => logged.push(line) }),
  })
  await server.call('POST', '/v1/admin/keyring', { body: { keyId: 'k1' } })
})
afterAll(() => server.stop())

const within = (namespace: string | undefined): CallOptions =>
  namespace === undefined ? {} : { headers: { 'ff-namespace': namespace } }
const inPath = encodeURIComponent

async function submit(namespace?: string): Promise<string> {
  const body = { kind: 'x', lane: 'waits' }
  return String((await server.call('POST', '/v1/executions', { body, ...within(namespace) })).json.id)
}

interface Opened {
  readonly executionId: string
  readonly id: string
  readonly token: string
}

async function open(fields: object = {}, namespace?: string): Promise<Opened> {
  const executionId = await submit(namespace)
  const path = `/v1/executions/${inPath(executionId)}/waitpoints`
  const answer = await server.call('POST', path, { body: { name: 'gate', ...fields }, ...within(namespace) })
  expect(answer).toMatchObject({ status: 201, json: { outcome: 'created' } })
  expect(answer.headers.get('cache-control')).toBe('no-store')
  const { id } = answer.json.waitpoint as { readonly id: string }
  return { executionId, id, token: String(answer.json.token) }
}

async function tokenFor({ id }: Opened, source: string): Promise<string> {
  const { json } = await server.call('POST', `/v1/waitpoints/${inPath(id)}/tokens`, { body: { source } })
  return String(json.token)
}

/** A signal of somebody who has nothing but a token. */
function signalAs(id: string, token: string | undefined, fields: object = {}) {
  return fetch(`${server.url}/v1/waitpoints/${inPath(id)}/signal`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { 'ff-waitpoint-token': token }),
    },
    body: JSON.stringify({ name: 'yes', ...fields }),
  })
}

async function signalsOf({ executionId }: Opened) {
  const { json } = await server.call('GET', `/v1/executions/${inPath(executionId)}/signals`)
  return json.items as readonly Record<string, unknown>[]
}

describe('a waitpoint’s token', () => {
  it('lets its bearer signal, in a header or in the body, and says nothing of who that is', async () => {
    const point = await open()
    expect(point.token).toMatch(/^k1\.[A-Za-z0-9_-]{43}$/)
    expect(point.id).toBe(deriveWaitpointId(parseExecutionId(point.executionId), 'gate'))
    const first = await signalAs(point.id, point.token, { payload: { n: 1 } })
    expect([first.status, await first.json()]).toMatchObject([200, { outcome: 'buffered' }])
    const second = await signalAs(point.id, undefined, { token: point.token })
    expect(second.status).toBe(200)
    expect(await signalsOf(point)).toMatchObject([
      { name: 'yes', payload: { n: 1 }, source: null, suspensionId: null },
      { name: 'yes', source: null },
    ])
  })

  it('is told again to who opens the waitpoint again', async () => {
    const point = await open()
    const path = `/v1/executions/${inPath(point.executionId)}/waitpoints`
    expect(await server.call('POST', path, { body: { name: 'gate' } })).toMatchObject({
      status: 200,
      json: { outcome: 'duplicate', token: point.token },
    })
  })

  it('makes what was signed into it the source, and no body does', async () => {
    const point = await open()
    const token = await tokenFor(point, 'ann@example.org')
    expect((await signalAs(point.id, token)).status).toBe(200)
    const told = await signalAs(point.id, token, { source: 'somebody-else' })
    expect([told.status, await told.json()]).toMatchObject([400, { code: 'unknown_field' }])
    const path = `/v1/waitpoints/${inPath(point.id)}/signal`
    await server.call('POST', path, { body: { name: 'by credentials' } })
    const byName = `/v1/executions/${inPath(point.executionId)}/signal`
    await server.call('POST', byName, { body: { waitpoint: 'gate', name: 'by name' } })
    expect((await signalsOf(point)).map(({ name, source }) => [name, source])).toEqual([
      ['yes', 'ann@example.org'],
      ['by credentials', 'configured-token'],
      ['by name', 'configured-token'],
    ])
  })

  it('counts in place of other credentials, whatever those are worth', async () => {
    const point = await open()
    const path = `/v1/waitpoints/${inPath(point.id)}/signal`
    const options = { body: { name: 'yes' }, headers: { authorization: 'Bearer of-nothing' } }
    expect((await server.call('POST', path, options)).status).toBe(401)
    const headers = { ...options.headers, 'ff-waitpoint-token': point.token, 'ff-namespace': 'elsewhere' }
    expect((await server.call('POST', path, { ...options, headers })).status).toBe(200)
    const wrong = { 'ff-waitpoint-token': `${point.token}x` }
    expect((await server.call('POST', path, { body: { name: 'yes' }, headers: wrong })).status).toBe(404)
    const none = await server.call('POST', path, {
      body: { name: 'yes' },
      headers: { authorization: undefined },
    })
    expect(none).toMatchObject({ status: 401, json: { code: 'unauthorized' } })
    // It opens this one route.
    const elsewhere = { authorization: undefined, 'ff-waitpoint-token': point.token }
    expect(
      (await server.call('POST', `/v1/waitpoints/${inPath(point.id)}/close`, { headers: elsewhere })).status,
    ).toBe(401)
  })

  it('that is forged, expired, swapped, foreign or of a retired key is answered byte by byte as an unknown waitpoint', async () => {
    const point = await open()
    const other = await open()
    const theirs = await open({}, 'theirs')
    const expired = await open({ expiresAtMs: 1 })
    const ann = await tokenFor(point, 'ann')
    const bob = await tokenFor(point, 'bob')
    const mac = (token: string) => token.split('.').at(-1)
    const nowMs = Date.now()
    const impostor = new SigningSecret('k1', 'somebody-elses-secret-of-32-bytes-or-more')
    const { keyId, fingerprint } = impostor
    const foreign = new SigningKeys(
      [{ keyId, fingerprint, signsFromMs: 0, retiredAtMs: null, verifiesUntilMs: null }],
      [impostor],
    )
    const { json } = await server.call('GET', `/v1/executions/${inPath(point.executionId)}/waitpoints`)
    const [record] = json.items as readonly { readonly createdAtMs: number }[]
    const forged = foreign.mint(
      {
        id: point.id as never,
        namespace: 'default' as never,
        executionId: point.executionId as never,
        createdAtMs: record?.createdAtMs ?? 0,
        expiresAtMs: null,
      },
      nowMs,
    )
    await server.call('POST', '/v1/admin/keyring', { body: { keyId: 'k2' } })
    const retired = await open()
    expect(retired.token).toMatch(/^k2\./)
    expect((await signalAs(retired.id, retired.token)).status).toBe(200)
    await server.call('POST', '/v1/admin/keyring/k2/retire', { body: { verifyUntilMs: 0 } })

    const cases: Readonly<Record<string, readonly [id: string, token: string]>> = {
      'an unknown waitpoint': [mintWaitpointId(0), point.token],
      'an unknown partition': [mintWaitpointId(60_000), point.token],
      'a waitpoint of an unknown execution': [deriveWaitpointId(mintExecutionId(0), 'gate'), point.token],
      'no token at all': [point.id, ''],
      'what is no token': [point.id, 'x'.repeat(10_000)],
      'a cut token': [point.id, point.token.slice(0, -1)],
      'a changed token': [point.id, point.token.slice(0, -1) + (point.token.endsWith('A') ? 'B' : 'A')],
      'an unknown key': [point.id, `k9.${mac(point.token)}`],
      'another waitpoint’s token': [point.id, other.token],
      'a token of another namespace': [point.id, theirs.token],
      'a waitpoint of another namespace': [theirs.id, point.token],
      'a source taken off': [point.id, `k1.${mac(ann)}`],
      'a source put on': [point.id, `k1.${Buffer.from('ann').toString('base64url')}.${mac(point.token)}`],
      'another source': [point.id, `k1.${ann.split('.')[1]}.${mac(bob)}`],
      'an expired waitpoint': [expired.id, expired.token],
      'a secret of somebody else': [point.id, forged],
      'a retired key': [retired.id, retired.token],
    }
    const answers = await Promise.all(
      Object.entries(cases).map(async ([name, [id, token]]) => {
        const response = await signalAs(id, token)
        const headers = [...response.headers].filter(([header]) => header !== 'date')
        return { name, status: response.status, headers, body: await response.text() }
      }),
    )
    const [first] = answers
    expect(first).toMatchObject({ status: 404 })
    expect(JSON.parse(first?.body ?? '')).toMatchObject({ code: 'waitpoint_not_found' })
    for (const { name, ...answer } of answers) {
      expect({ name, ...answer }).toEqual({ ...first, name })
    }
    expect(await signalsOf(point)).toEqual([])
    // What is good is still good.
    for (const token of [point.token, ann, bob]) expect((await signalAs(point.id, token)).status).toBe(200)
  })

  it('of a waitpoint that takes no more is told so', async () => {
    const point = await open()
    await server.call('POST', `/v1/waitpoints/${inPath(point.id)}/close`)
    const closed = await signalAs(point.id, point.token)
    expect([closed.status, await closed.json()]).toMatchObject([409, { code: 'waitpoint_closed' }])
  })

  it('is in no log line, event or error, and a repeat of a signal is one signal', async () => {
    const point = await open()
    const token = await tokenFor(point, 'ann')
    const fields = { idempotencyKey: 'once', payload: 1 }
    const first = (await (await signalAs(point.id, token, fields)).json()) as Record<string, unknown>
    expect(await (await signalAs(point.id, token, fields)).json()).toEqual({ ...first, outcome: 'duplicate' })
    await signalAs(point.id, `${token}x`)
    await signalAs(point.id, token, { payload: 'x'.repeat(2_000_000) })
    const told = await Promise.all(
      ['/v1/events?limit=1000', '/v1/audit', `/v1/executions/${inPath(point.executionId)}/signals`].map(
        async (path) => JSON.stringify((await server.call('GET', path)).json),
      ),
    )
    for (const each of [...told, ...logged]) {
      expect(each).not.toContain(token.split('.').at(-1))
      expect(each).not.toContain(point.token.split('.').at(-1))
    }
  })
})

describe('tokens of the API', () => {
  const create = async (body: object) => {
    const { json } = await server.call('POST', '/v1/admin/tokens', { body })
    return { id: String(json.id), headers: { authorization: `Bearer ${json.text}` } }
  }

  it('are the sources of their signals, and reach no other namespace', async () => {
    const point = await open()
    const theirs = await open({}, 'theirs')
    const { id, headers } = await create({ scopes: ['submit'], namespaces: ['default'] })
    const signal = (to: Opened) =>
      server.call('POST', `/v1/waitpoints/${inPath(to.id)}/signal`, { body: { name: 'yes' }, headers })
    expect((await signal(point)).status).toBe(200)
    expect(await signalsOf(point)).toMatchObject([{ source: `token:${id}` }])
    expect(await signal(theirs)).toMatchObject({ status: 404, json: { code: 'waitpoint_not_found' } })
    const mint = await create({ scopes: ['operate'], namespaces: ['default'] })
    const path = `/v1/waitpoints/${inPath(theirs.id)}/tokens`
    expect(await server.call('POST', path, { body: {}, headers: mint.headers })).toMatchObject({
      status: 404,
      json: { code: 'waitpoint_not_found' },
    })
  })
})

describe('over HTTP', () => {
  it('a handler hands a token out, waits, and goes on with what its bearer sent', async () => {
    const task = defineTask({
      kind: 'asks-a-person',
      lane: 'people',
      async handler({ waitpoint, suspend, emit }) {
        const point = await waitpoint('answer')
        await emit({ url: point.url, token: await point.tokenFor('ann') })
        const { signals } = await suspend(point, { reason: 'approval' })
        return signals.map(({ name, payload, source }) => ({ name, payload, source }))
      },
    })
    const child = defineTask({ kind: 'asks-twice', lane: 'people', handler: ({ call }) => call('ask', task) })
    const connect = { url: server.url, token: server.token }
    const worker = createWorker({ connect, tasks: [task, child] })
    await worker.start()
    const client = createClient({ connect })
    const visitor = createClient({ connect: { url: server.url } })
    try {
      const handle = await client.submit(child)
      await expect
        .poll(async () => (await client.list({ filter: { kind: task.kind, states: ['suspended'] } })).items, {
          timeout: 20_000,
        })
        .toHaveLength(1)
      const [asked] = (await client.list({ filter: { kind: task.kind, states: ['suspended'] } })).items
      const asking = client.handle(asked?.id ?? '')
      const frames = asking.stream()
      const { value } = await frames.next()
      await frames.return()
      const { url, token } = (value as { data: { url: string; token: string } }).data
      const [point] = await asking.waitpoints()
      expect(url).toBe(`${server.url}/v1/waitpoints/${inPath(point?.id ?? '')}/signal`)
      const sent = await visitor.signalByToken({ waitpointId: point?.id ?? '', token }, 'yes', { because: 1 })
      expect(sent).toMatchObject({ outcome: 'satisfied' })
      expect(await handle.result({ timeoutMs: 20_000 })).toEqual([
        { name: 'yes', payload: { because: 1 }, source: 'ann' },
      ])
    } finally {
      client.close()
      visitor.close()
      await worker.drain({ graceMs: 0 })
    }
  })
})
