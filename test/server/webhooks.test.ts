import { type AuditEntry, mintUuid, mintWebhookId, SigningSecret, type Webhook } from '@flowfabric/core'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { goodSignatures, type Received, type Receiver, startReceiver } from '../support/receiver.js'
import { until } from '../support/until.js'
import { dump } from './support/dump.js'
import { startTestServer, type TestServer } from './support/test-server.js'

const secretText = 'a-signing-secret-that-nobody-may-see'
const key = new SigningSecret('k1', secretText)
const logged: string[] = []
let server: TestServer
let receiver: Receiver

beforeAll(async () => {
  receiver = await startReceiver()
  server = await startTestServer({
    signingSecrets: [key],
    webhooks: { allow: ['127.0.0.0/8'], allowHttp: true, timeoutMs: 300 },
    logger: pino({ level: 'trace' }, { write: (line: string) => logged.push(line) }),
  })
  await server.backend.keyring.add(key)
})
afterAll(async () => {
  await server.stop()
  await receiver.close()
})
const created: string[] = []
afterEach(async () => {
  receiver.answer = (_received, response) => response.writeHead(204).end()
  for (const id of created.splice(0)) await server.call('DELETE', `/v1/webhooks/${id}`)
})

async function create(more: object = {}) {
  const body = { url: `${receiver.url}/${mintUuid()}`, reason: 'a test', ...more }
  const { status, json, headers } = await server.call('POST', '/v1/webhooks', { body })
  const webhook = json.webhook as Webhook
  if (status === 201) created.push(webhook.id)
  const path = new URL(body.url).pathname
  const received = () => receiver.received.filter((each) => each.path === path)
  const read = async () => (await server.call('GET', `/v1/webhooks/${webhook.id}`)).json as unknown as Webhook
  return { status, json, headers, webhook, secret: String(json.secret), received, read, body }
}

/** An execution that ends: two events of its lane, of which one is told. */
async function end(): Promise<string> {
  const { json } = await server.call('POST', '/v1/executions', { body: { kind: 'x', lane: 'hooked' } })
  const id = String(json.id)
  await server.call('POST', `/v1/executions/${encodeURIComponent(id)}/cancel`)
  return id
}

const bodyOf = ({ body }: Received) => JSON.parse(body) as Record<string, unknown>

describe('a webhook', () => {
  it('is told what happens, signed with its own secret, which is shown once', async () => {
    const hook = await create({ filter: { names: ['execution.cancelled'], lane: 'hooked' } })
    expect(hook).toMatchObject({ status: 201, json: { outcome: 'created' } })
    expect(hook.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(hook.headers.get('cache-control')).toBe('no-store')
    const id = await end()
    await until('it was so', async () => (await hook.read()).lastDeliveredAtMs !== null)
    const [got] = hook.received()
    if (got === undefined) throw new Error('nothing came')
    expect(bodyOf(got)).toMatchObject({
      type: 'execution.cancelled',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: { executionId: id, publicState: 'cancelled', namespace: 'default' },
    })
    expect(got.headers['content-type']).toBe('application/json')
    expect(goodSignatures(got, hook.secret)).toEqual([true])
    expect(goodSignatures({ ...got, body: `${got.body} ` }, hook.secret)).toEqual([false])
    const { json } = await server.call('GET', `/v1/webhooks/${hook.webhook.id}/deliveries`)
    expect(json.items).toMatchObject([
      { deliveryId: got.headers['webhook-id'], state: 'delivered', attemptCount: 1, lastHttpStatus: 204 },
    ])
    expect(hook.received()).toHaveLength(1)
    const again = await server.call('PUT', `/v1/webhooks/${hook.webhook.id}`, {
      body: { url: hook.body.url },
    })
    expect(again).toMatchObject({ status: 200, json: { outcome: 'changed', secret: null } })
  })

  it('has a secret that no other has, and two that sign while it is rotated', async () => {
    const hook = await create()
    const other = await create()
    expect(other.secret).not.toBe(hook.secret)
    const rotate = async (body: object) =>
      server.call('POST', `/v1/webhooks/${hook.webhook.id}/secrets`, { body })
    const second = await rotate({ overlapMs: 60_000, reason: 'it is time' })
    expect(second).toMatchObject({ status: 201, json: { outcome: 'rotated' } })
    await end()
    await until('it was so', () => hook.received().length > 0)
    const [got] = hook.received() as [Received]
    expect(goodSignatures(got, String(second.json.secret))).toEqual([true, false])
    expect(goodSignatures(got, hook.secret)).toEqual([false, true])
    const third = await rotate({ overlapMs: 0 })
    await end()
    await until('it was so', () =>
      hook.received().some((each) => goodSignatures(each, String(third.json.secret))[0]),
    )
    const last = hook.received().at(-1) as Received
    expect(goodSignatures(last, hook.secret)).toEqual([false])
    expect(goodSignatures(last, String(second.json.secret))).toEqual([false])
  })

  it('is tried again under the same id, with the same body and a new time, until it has arrived', async () => {
    const hook = await create({ filter: { names: ['execution.cancelled'] } })
    receiver.answer = (_received, response) => response.writeHead(500).end('why is nobody’s business')
    await end()
    await until('it was so', async () => (await hook.read()).lastFailure !== null)
    expect(await hook.read()).toMatchObject({
      lastFailure: { failure: 'status', httpStatus: 500 },
      pending: 1,
    })
    receiver.answer = (_received, response) => response.writeHead(200).end()
    await server.backend.maintenance.advanceTime({ byMs: 5_000 })
    await until('it was so', async () => (await hook.read()).pending === 0)
    const [first, second] = hook.received() as [Received, Received]
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id'])
    expect(second.body).toBe(first.body)
    expect(goodSignatures(second, hook.secret)).toEqual([true])
  })

  it.each([
    ['that hangs', 'timed_out', null, () => {}],
    [
      'that redirects',
      'redirect',
      302,
      (_: Received, response) => response.writeHead(302, { location: `${receiver.url}/elsewhere` }).end(),
    ],
    [
      'that closes early',
      'connection_failed',
      null,
      (_: Received, _response, request) => request.socket.destroy(),
    ],
    [
      'that speaks another protocol',
      'connection_failed',
      null,
      (_: Received, _response, request) => request.socket.end('220 ready\r\n'),
    ],
    [
      'that answers without an end',
      null,
      200,
      (_: Received, response) => {
        response.writeHead(200)
        const more = () => {
          if (!response.destroyed) response.write('x'.repeat(65_536), more)
        }
        more()
      },
    ],
    [
      'that stops in the middle of its answer',
      null,
      200,
      (_: Received, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('half')
      },
    ],
  ] as const satisfies readonly (readonly [string, string | null, number | null, Receiver['answer']])[])(
    'tells of a receiver %s: %s',
    async (_what, failure, httpStatus, answer) => {
      const hook = await create({ filter: { names: ['execution.cancelled'] } })
      receiver.answer = answer as Receiver['answer']
      await end()
      const deliveries = async () =>
        (await server.call('GET', `/v1/webhooks/${hook.webhook.id}/deliveries`)).json
          .items as readonly Record<string, unknown>[]
      await until('it was so', async () => {
        const [one] = await deliveries()
        return one?.state === 'delivered' || (one?.lastFailure ?? null) !== null
      })
      expect(await deliveries()).toMatchObject([
        {
          state: failure === null ? 'delivered' : 'pending',
          lastFailure: failure,
          lastHttpStatus: httpStatus,
        },
      ])
      expect(receiver.received.some(({ path }) => path.endsWith('/elsewhere'))).toBe(false)
    },
  )

  it('that answers 410 wants nothing more', async () => {
    const hook = await create()
    receiver.answer = (_received, response) => response.writeHead(410).end()
    await end()
    await until('it was so', async () => (await hook.read()).state === 'disabled')
    expect(await hook.read()).toMatchObject({ disabledBecause: 'gone' })
    const path = `/v1/webhooks/${hook.webhook.id}`
    receiver.answer = (_received, response) => response.writeHead(204).end()
    await server.call('POST', `${path}/redeliver`)
    expect((await server.call('POST', `${path}/state`, { body: { state: 'active' } })).json).toEqual({
      outcome: 'active',
    })
    await until('it was so', async () => (await hook.read()).pending === 0)
  })

  it('does not hold up another one by hanging', async () => {
    const hanging = await create()
    const quick = await create()
    receiver.answer = ({ path }, response) => {
      if (path === new URL(quick.body.url).pathname) response.writeHead(204).end()
    }
    const beganAt = performance.now()
    await end()
    await until('it was so', () => quick.received().length > 0)
    expect(performance.now() - beganAt).toBeLessThan(1_000)
    await until('it was so', () => hanging.received().length > 0)
  })
})

describe('an address', () => {
  it.each([
    'http://10.0.0.1/',
    'http://192.168.1.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[fe80::1]/',
    'http://0x0a000001/',
    'http://0/',
    'http://224.0.0.1/',
    'file:///etc/passwd',
    'http://user:pass@example.org/',
  ])('%s is refused when it is put', async (url) => {
    expect(await create({ url })).toMatchObject({ status: 400, json: { code: 'invalid_webhook_url' } })
  })
})

describe('what is kept of webhooks', () => {
  it('tells operators’ actions and why, and no secret anywhere', async () => {
    const hook = await create({ filter: { names: ['execution.cancelled'] } })
    const path = `/v1/webhooks/${hook.webhook.id}`
    const rotated = await server.call('POST', `${path}/secrets`, { body: { reason: 'it is time' } })
    await end()
    await until('it was so', () => hook.received().length > 0)
    await server.call('POST', `${path}/state`, { body: { state: 'disabled', reason: 'enough' } })
    await server.call('PUT', `/v1/webhooks/${mintWebhookId()}`, {
      body: { url: `https://u:${hook.secret}@a.b` },
    })
    const { json: audit } = await server.call('GET', `/v1/audit?subject=${hook.webhook.id}`)
    const entries = audit.items as unknown as readonly AuditEntry[]
    expect(entries.map(({ action, outcome, reason }) => [action, outcome, reason]).reverse()).toEqual([
      ['webhooks.create', 'created', 'a test'],
      ['webhooks.rotateSecret', 'rotated', 'it is time'],
      ['webhooks.setState', 'disabled', 'enough'],
    ])
    const answers = await Promise.all(
      ['/v1/webhooks', path, `${path}/deliveries`, '/v1/events', '/v1/audit', '/v1/admin/keyring'].map(
        async (each) => JSON.stringify((await server.call('GET', each)).json),
      ),
    )
    const told = [await dump(server), ...answers, ...logged]
    const secrets = [hook.secret, String(rotated.json.secret)]
    const hidden = [
      secretText,
      ...secrets.map((secret) => secret.slice('whsec_'.length)),
      ...secrets.map((secret) => Buffer.from(secret.slice('whsec_'.length), 'base64').toString('hex')),
    ]
    for (const text of hidden) for (const each of told) expect(each.includes(text), text).toBe(false)
    expect(told[0]).toContain(hook.webhook.id)
  })
})
