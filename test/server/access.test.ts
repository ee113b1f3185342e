import { type TokenScope, tokenScopes } from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { type CallOptions, startTestServer, type TestServer } from './support/test-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

interface Created {
  readonly id: string
  readonly text: string
}

async function createToken(body: {
  readonly scopes: readonly TokenScope[]
  readonly [field: string]: unknown
}): Promise<Created> {
  const created = await server.call('POST', '/v1/admin/tokens', { body })
  expect(created.status).toBe(201)
  return created.json as unknown as Created
}

/** A call with another token than the server's own. */
const callAs = (token: { readonly text: string }, method: string, path: string, options: CallOptions = {}) =>
  server.call(method, path, {
    ...options,
    headers: { authorization: `Bearer ${token.text}`, ...options.headers },
  })

let claims = 0
const claim = (fields: object = {}) => ({
  claimId: `0190a5f0-7a4c-7cc3-98c4-${String(++claims).padStart(12, '0')}`,
  workerId: 'w',
  instanceId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f',
  lanes: ['default'],
  kinds: ['x'],
  ...fields,
})

const inNamespace = (namespace: string) => ({ headers: { 'ff-namespace': namespace } })

async function submitIn(namespace: string, fields: object = {}): Promise<string> {
  const { json } = await server.call('POST', '/v1/executions', {
    body: { kind: 'x', ...fields },
    ...inNamespace(namespace),
  })
  return String(json.id)
}

describe('a token', () => {
  it('is told once, and opens what its scopes say until it is revoked', async () => {
    const body = { label: 'a submitter', scopes: ['submit'], reason: 'a test' }
    const created = await server.call('POST', '/v1/admin/tokens', { body })
    expect(created).toMatchObject({ status: 201, json: { outcome: 'created' } })
    expect(created.headers.get('cache-control')).toBe('no-store')
    const { id, text } = created.json as unknown as Created

    const listed = await server.call('GET', '/v1/admin/tokens?limit=1000')
    expect(listed.json.items).toContainEqual(
      expect.objectContaining({ id, label: 'a submitter', scopes: ['submit'], namespaces: null }),
    )
    expect(JSON.stringify(listed.json)).not.toContain(text.slice(-43))
    expect(JSON.stringify(listed.json)).not.toContain('hash')

    expect((await callAs({ text }, 'POST', '/v1/executions', { body: { kind: 'x' } })).status).toBe(201)
    expect(await callAs({ text }, 'GET', '/v1/executions')).toMatchObject({
      status: 403,
      json: { code: 'forbidden' },
    })
    expect((await server.call('DELETE', `/v1/admin/tokens/${id}?reason=done`)).json).toEqual({
      outcome: 'revoked',
    })
    const revokedAt = performance.now()
    await until('the token is refused', async () => {
      const { status } = await callAs({ text }, 'GET', '/v1/meta')
      return status === 401
    })
    expect(performance.now() - revokedAt).toBeLessThan(10_000)
    expect((await server.call('DELETE', `/v1/admin/tokens/${id}`)).json).toEqual({
      outcome: 'already_revoked',
    })
  })

  it('is refused alike when it is malformed, unknown, of another secret, or expired', async () => {
    const good = await createToken({ scopes: ['read'] })
    const expired = await createToken({ scopes: ['read'], expiresAtMs: 1 })
    const last = good.text.at(-1) === 'A' ? 'B' : 'A'
    const texts = [
      '',
      'x',
      good.text.slice(0, -1),
      good.text.slice(0, -1) + last,
      good.text.replace(good.id, '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'),
      expired.text,
    ]
    const told = []
    for (const text of texts) {
      const { status, json } = await callAs({ text }, 'GET', '/v1/lanes')
      told.push(JSON.stringify([status, json]))
    }
    expect(new Set(told).size).toBe(1)
    expect(told[0]).toContain('"code":"unauthorized"')
    expect((await callAs(good, 'GET', '/v1/lanes')).status).toBe(200)
  })

  it('that is known costs no call of the store', async () => {
    const token = await createToken({ scopes: ['read'] })
    const verified = () =>
      server.engine.metrics.read('store_calls_total', { operation: 'access.verify', outcome: 'ok' })
    await callAs(token, 'GET', '/v1/meta')
    const before = verified()
    const began = performance.now()
    await Promise.all(Array.from({ length: 50 }, () => callAs(token, 'GET', '/v1/meta')))
    // One more for every 2 s that this took.
    expect(verified() - before).toBeLessThanOrEqual(Math.ceil((performance.now() - began) / 2_000))
  })

  it('asked for by many at once is verified once', async () => {
    const token = await createToken({ scopes: ['read'] })
    const verified = () =>
      server.engine.metrics.read('store_calls_total', { operation: 'access.verify', outcome: 'ok' })
    const before = verified()
    const answers = await Promise.all(Array.from({ length: 20 }, () => callAs(token, 'GET', '/v1/meta')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(verified() - before).toBe(1)
  })

  it.each([
    [{ scopes: [] }, 'invalid_params'],
    [{ scopes: ['root'] }, 'invalid_params'],
    [{ scopes: ['admin'], namespaces: ['a'] }, 'invalid_params'],
    [{ scopes: ['read'], namespaces: ['no name'] }, 'invalid_namespace'],
    [{ scopes: ['read'], secret: 'mine' }, 'unknown_field'],
  ])('is not made of %j', async (body, code) => {
    expect(await server.call('POST', '/v1/admin/tokens', { body })).toMatchObject({
      status: 400,
      json: { code },
    })
  })

  it('that waits for work is sent away when it is revoked', async () => {
    const token = await createToken({ scopes: ['work'] })
    const waiting = callAs(token, 'POST', '/v1/claims', {
      body: claim({ lanes: ['nothing-comes'], waitMs: 30_000 }),
    })
    await until('the claim waits', () => server.engine.health().claimsWaiting > 0)
    const began = performance.now()
    await server.call('DELETE', `/v1/admin/tokens/${token.id}`)
    expect((await waiting).json).toMatchObject({ outcome: 'empty' })
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})

/** What each scope alone opens. */
const opened: Readonly<Record<TokenScope, readonly string[]>> = {
  submit: [
    'executions.submit',
    'executions.submitOne',
    'executions.getResult',
    'executions.result',
    'executions.signal',
    'suspensions.createWaitpoint',
    'suspensions.deliverSignal',
    'flows.submit',
    'flows.createDraft',
    'flows.extend',
    'flows.seal',
    'flows.result',
    'lanes.list',
    'events.listen',
    'maintenance.describe',
  ],
  work: [
    'budgets.reportUsage',
    'quotas.acquire',
    'quotas.release',
    'leases.claim',
    'leases.renew',
    'leases.complete',
    'leases.fail',
    'leases.delay',
    'leases.yield',
    'attempts.loadSteps',
    'attempts.loadUpstream',
    'attempts.recordProgress',
    'attempts.recordStep',
    'suspensions.suspend',
    'suspensions.createWaitpoint',
    'suspensions.mintToken',
    'suspensions.listSignals',
    'streams.append',
    'workers.register',
    'workers.heartbeat',
    'events.listen',
    'maintenance.describe',
  ],
  read: [
    'budgets.get',
    'budgets.list',
    'quotas.get',
    'quotas.list',
    'executions.get',
    'executions.getResult',
    'executions.result',
    'executions.list',
    'executions.count',
    'executions.explain',
    'executions.explainFacts',
    'executions.events',
    'attempts.list',
    'attempts.loadSteps',
    'attempts.loadUpstream',
    'suspensions.listWaitpoints',
    'suspensions.listSignals',
    'flows.get',
    'flows.getGraph',
    'flows.result',
    'flows.events',
    'flows.list',
    'streams.read',
    'streams.tail',
    'streams.readSummary',
    'schedules.get',
    'schedules.list',
    'operations.get',
    'operations.list',
    'lanes.list',
    'workers.list',
    'events.read',
    'events.listen',
    'maintenance.describe',
  ],
  operate: [
    'budgets.create',
    'budgets.createMinted',
    'budgets.reset',
    'budgets.update',
    'quotas.create',
    'quotas.createMinted',
    'quotas.update',
    'executions.cancel',
    'executions.replay',
    'executions.hold',
    'executions.release',
    'executions.changePriority',
    'executions.setTags',
    'executions.signal',
    'suspensions.mintToken',
    'suspensions.closeWaitpoint',
    'suspensions.deliverSignal',
    'leases.revoke',
    'flows.cancel',
    'flows.replay',
    'lanes.configure',
    'lanes.setState',
    'schedules.put',
    'schedules.create',
    'schedules.delete',
    'schedules.pause',
    'schedules.resume',
    'schedules.trigger',
    'schedules.backfill',
    'operations.create',
    'operations.cancel',
    'operations.replay',
    'operations.pause',
    'operations.resume',
    'operations.stop',
    'webhooks.put',
    'webhooks.create',
    'webhooks.get',
    'webhooks.list',
    'webhooks.delete',
    'webhooks.setState',
    'webhooks.rotateSecret',
    'webhooks.listDeliveries',
    'webhooks.redeliver',
    'workers.drain',
    'maintenance.describe',
  ],
  admin: [
    'keyring.list',
    'keyring.add',
    'keyring.retire',
    'access.createToken',
    'access.listTokens',
    'access.revoke',
    'access.putNamespace',
    'access.listNamespaces',
    'audit.list',
    'maintenance.describe',
  ],
}

describe('a scope', () => {
  it.each(tokenScopes)('%s opens its routes, and no other', { timeout: 120_000 }, async (scope) => {
    const token = await createToken({ scopes: [scope] })
    const found: string[] = []
    for (const { operation, method, path } of await listRoutes()) {
      const gone = new AbortController()
      const response = await fetch(`${server.url}${path.replaceAll(/\{\w+\}/g, 'x')}`, {
        method: method.toUpperCase(),
        headers: { authorization: `Bearer ${token.text}`, 'content-type': 'application/json' },
        // Nothing that any operation would carry out.
        ...(method === 'get' || method === 'delete' ? {} : { body: '{"nothing":1}' }),
        signal: gone.signal,
      })
      if (response.status !== 403) found.push(operation)
      gone.abort()
    }
    expect(found.sort()).toEqual(opened[scope].toSorted())
  })

  it('is asked for by every route', async () => {
    for (const { method, path } of await listRoutes()) {
      const answer = await server.call(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'), {
        headers: { authorization: undefined },
        ...(method === 'get' || method === 'delete' ? {} : { body: {} }),
      })
      expect([path, answer.status]).toEqual([path, 401])
    }
  })
})

async function listRoutes() {
  const { json } = await server.call('GET', '/v1/openapi.json')
  const paths = json.paths as Record<string, Record<string, { operationId: string }>>
  return Object.entries(paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => ({ path, method, operation: operationId })),
    )
}

describe('a token of some namespaces', () => {
  it('finds nothing of another one, whether it is there or not', async () => {
    const token = await createToken({ scopes: ['read', 'submit', 'operate'], namespaces: ['mine'] })
    const foreign = await submitIn('theirs')
    const own = await submitIn('mine')
    const unknown = '{fp:0}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'
    const read = (id: string, options: CallOptions = {}) =>
      callAs(token, 'GET', `/v1/executions/${encodeURIComponent(id)}`, options)

    expect((await read(own)).status).toBe(200)
    const [theirs, nobodys] = [await read(foreign), await read(unknown)]
    expect(theirs.json).toMatchObject({ status: 404, code: 'execution_not_found' })
    const withoutId = (json: unknown, id: string) => JSON.stringify(json).replaceAll(id, '')
    expect(withoutId(theirs.json, foreign)).toBe(withoutId(nobodys.json, unknown))

    for (const namespace of ['theirs', 'nobodys', 'default']) {
      const answers = [
        await read(foreign, inNamespace(namespace)),
        await read(own, inNamespace(namespace)),
        await callAs(token, 'GET', '/v1/executions', inNamespace(namespace)),
        await callAs(token, 'POST', '/v1/executions', { body: { kind: 'x' }, ...inNamespace(namespace) }),
        await callAs(token, 'GET', '/v1/events', inNamespace(namespace)),
      ]
      for (const { status, json } of answers) {
        expect([status, json.code]).toEqual([404, 'namespace_not_found'])
      }
    }
    const cancelled = await callAs(token, 'POST', `/v1/executions/${encodeURIComponent(foreign)}/cancel`)
    expect(cancelled.json.code).toBe('execution_not_found')
  })

  it('works in its own when it names none', async () => {
    const token = await createToken({ scopes: ['submit', 'read'], namespaces: ['only'] })
    const { json } = await callAs(token, 'POST', '/v1/executions', { body: { kind: 'x' } })
    const path = `/v1/executions/${encodeURIComponent(String(json.id))}`
    expect((await server.call('GET', path, inNamespace('only'))).json).toMatchObject({ namespace: 'only' })
    const wide = await createToken({ scopes: ['read'], namespaces: ['only', 'default'] })
    expect((await callAs(wide, 'GET', path)).status).toBe(404)
    expect((await callAs(wide, 'GET', path, inNamespace('only'))).status).toBe(200)
  })

  it('claims in its own namespaces and lanes alone, also behind a completion', async () => {
    const token = await createToken({ scopes: ['work'], namespaces: ['w1'], lanes: ['open'] })
    const allowed = await submitIn('w1', { lane: 'open' })
    const second = await submitIn('w1', { lane: 'open' })
    await submitIn('w1', { lane: 'shut' })
    await submitIn('w2', { lane: 'open' })
    const all = { namespaces: ['w1', 'w2'], lanes: ['open', 'shut'] }

    const claimed = await callAs(token, 'POST', '/v1/claims', { body: claim(all) })
    const [lease] = claimed.json.leases as { executionId: string; handle: string }[]
    expect([allowed, second]).toContain(lease?.executionId)
    const completed = await callAs(token, 'POST', '/v1/leases/complete', {
      body: { items: [{ handle: lease?.handle }], next: claim({ ...all, max: 10 }) },
    })
    const next = completed.json.claimed as { executionId: string }[]
    expect([lease?.executionId, ...next.map(({ executionId }) => executionId)].sort()).toEqual(
      [allowed, second].sort(),
    )

    const none = await callAs(token, 'POST', '/v1/claims', { body: claim({ namespaces: ['w2'] }) })
    expect([none.status, none.json.code]).toEqual([404, 'namespace_not_found'])
    const shut = await callAs(token, 'POST', '/v1/claims', { body: claim({ lanes: ['shut'] }) })
    expect([shut.status, shut.json.code]).toEqual([404, 'lane_not_found'])
    // A handle of another namespace is none here.
    const foreign = await server.call('POST', '/v1/claims', {
      body: claim({ namespaces: ['w2'], lanes: ['open'] }),
    })
    const [theirs] = foreign.json.leases as { handle: string }[]
    const stolen = await callAs(token, 'POST', '/v1/leases/complete', {
      body: { namespaces: ['w1', 'w2'], items: [{ handle: theirs?.handle }] },
    })
    expect((stolen.json.items as { outcome: string }[])[0]?.outcome).not.toBe('completed')
  })

  it('is told nothing of others: not by workers, counts or hints', async () => {
    const token = await createToken({ scopes: ['read'], namespaces: ['seen'] })
    await server.call('POST', '/v1/workers', {
      body: { ...claim(), claimId: undefined, namespaces: ['seen', 'hidden'], concurrency: 1 },
    })
    const { json } = await callAs(token, 'GET', '/v1/workers')
    expect(json.workers).toMatchObject([{ namespaces: ['seen'] }])
    const meta = await callAs(token, 'GET', '/v1/meta')
    expect(meta.json.counts).toEqual({ executions: 0, flows: 0, outbox: 0, events: 0 })
    expect(meta.json.partitions).toBeDefined()

    const gone = new AbortController()
    const response = await fetch(`${server.url}/v1/hints`, {
      headers: { authorization: `Bearer ${token.text}` },
      signal: gone.signal,
    })
    let heard = ''
    const reading = (async () => {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
        heard += new TextDecoder().decode(chunk)
    })().catch(() => undefined)
    const id = await submitIn('hidden')
    await server.call('POST', `/v1/executions/${encodeURIComponent(id)}/cancel`, inNamespace('hidden'))
    await submitIn('seen')
    await until('the own hint came', () => heard.includes('"namespace":"seen"'))
    gone.abort()
    await reading
    expect(heard).not.toContain('hidden')
    expect(heard).not.toContain(id)
    expect(heard).not.toContain('partition')
  })
})

describe('the rate of requests', () => {
  it('is limited for each token by itself, and not for the configured one', async () => {
    const limited = await startTestServer({ requestsPerSecond: 5, scans: false })
    try {
      const [first, second] = await Promise.all(
        [1, 2].map(async () => {
          const body = { scopes: ['read'] }
          return String((await limited.call('POST', '/v1/admin/tokens', { body })).json.text)
        }),
      )
      const ask = (token = '') =>
        limited.call('GET', '/v1/meta', { headers: { authorization: `Bearer ${token}` } })
      const many = await Promise.all(Array.from({ length: 50 }, () => ask(first)))
      const refused = many.filter(({ status }) => status !== 200)
      expect(refused.length).toBeGreaterThan(0)
      expect(refused.length).toBeLessThanOrEqual(45)
      expect(refused[0]).toMatchObject({ status: 429, json: { code: 'rate_limited' } })
      expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await ask(second)).status).toBe(200)
      const own = await Promise.all(Array.from({ length: 50 }, () => limited.call('GET', '/v1/meta')))
      expect(own.every(({ status }) => status === 200)).toBe(true)
      await until('it is let in again', async () => (await ask(first)).status === 200)
    } finally {
      await limited.stop()
    }
  })
})

describe('a namespace that is closed', () => {
  it('takes no new work, and works off what it has', async () => {
    const flow = { nodes: [{ name: 'a', kind: 'x' }] }
    const id = await submitIn('closing')
    const put = (body: object) => server.call('PUT', '/v1/admin/namespaces/closing', { body })
    expect(await put({ label: 'a tenant', accepting: false })).toMatchObject({
      status: 201,
      json: { outcome: 'created' },
    })
    const submit = (path: string, body: object) =>
      server.call('POST', path, { body, ...inNamespace('closing') })
    await until('it is closed', async () => {
      const { status, json } = await submit('/v1/executions', { kind: 'x' })
      return status === 409 && json.code === 'namespace_not_accepting'
    })
    expect((await submit('/v1/flows', flow)).json.code).toBe('namespace_not_accepting')
    expect((await submit('/v1/executions:batch', { items: [{ kind: 'x' }] })).status).toBe(409)

    const claimed = await server.call('POST', '/v1/claims', {
      body: claim({ namespaces: ['closing'], max: 10 }),
    })
    const leases = claimed.json.leases as { executionId: string }[]
    expect(leases.map(({ executionId }) => executionId)).toContain(id)
    expect((await server.call('GET', '/v1/admin/namespaces')).json.items).toContainEqual({
      namespace: 'closing',
      label: 'a tenant',
      accepting: false,
    })
    await put({ label: 'a tenant' })
    await until('it is open', async () => (await submit('/v1/flows', flow)).status === 201)
  })
})
