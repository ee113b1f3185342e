import { type AuditEntry, mintUuid } from '@flowfabric/core'
import { createApp } from '@flowfabric/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from './support/test-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const hash = 'a'.repeat(64)

async function entriesOf(query: string): Promise<readonly AuditEntry[]> {
  const { status, json } = await server.call('GET', `/v1/audit?${query}`)
  expect(status).toBe(200)
  return json.items as unknown as readonly AuditEntry[]
}

async function submit(): Promise<string> {
  const { json } = await server.call('POST', '/v1/executions', { body: { kind: 'x', lane: mintUuid() } })
  return String(json.id)
}

describe('the audit log', () => {
  it('tells who did what to which execution, why, and what came of it', async () => {
    const id = await submit()
    const path = `/v1/executions/${encodeURIComponent(id)}`
    const body = { reason: 'it was wrong' }
    await server.call('POST', `${path}/hold`, { body })
    await server.call('POST', `${path}/release`)
    await server.call('POST', `${path}/priority`, { body: { priority: 5 } })
    await server.call('POST', `${path}/cancel`, { body })
    await server.call('POST', `${path}/cancel`, { body })
    await server.call('POST', `${path}/replay`, { body })
    await server.call('GET', path)
    const entries = await entriesOf(`subject=${encodeURIComponent(id)}`)
    const told = entries.map(({ action, outcome, reason }) => [action, outcome, reason]).reverse()
    expect(told).toEqual([
      ['executions.hold', 'held', 'it was wrong'],
      ['executions.release', 'released', null],
      ['executions.changePriority', 'changed', null],
      ['executions.cancel', 'cancelled', 'it was wrong'],
      ['executions.cancel', 'execution_terminal', 'it was wrong'],
      ['executions.replay', 'replayed', 'it was wrong'],
    ])
    for (const entry of entries) {
      expect(entry).toMatchObject({ actor: 'configured-token', namespace: 'default', subjects: [id] })
    }
  })

  it('holds the actions on lanes, workers, tokens, namespaces and signing keys', async () => {
    const lane = `lane-${mintUuid()}`
    const keyId = `k-${mintUuid()}`
    const namespace = `tenant-${mintUuid()}`
    const instanceId = mintUuid()
    await server.call('PUT', `/v1/lanes/${lane}`, { body: { weight: 2 } })
    await server.call('POST', `/v1/lanes/${lane}/state`, { body: { state: 'paused', reason: 'a test' } })
    await server.call('POST', `/v1/workers/${instanceId}/drain`)
    const { json: token } = await server.call('POST', '/v1/admin/tokens', {
      body: { scopes: ['operate'], namespaces: [namespace] },
    })
    await server.call('DELETE', `/v1/admin/tokens/${token.id}?reason=lost`)
    await server.call('PUT', `/v1/admin/namespaces/${namespace}`, { body: { label: 'x' } })
    await server.call('POST', '/v1/admin/keyring', { body: { keyId, fingerprint: hash } })
    await server.call('POST', `/v1/admin/keyring/${keyId}/retire`, { body: { verifyUntilMs: 0 } })
    const told = async (subject: unknown) =>
      (await entriesOf(`subject=${subject}`))
        .map((entry) => [entry.action, entry.outcome, entry.reason, entry.namespace])
        .reverse()
    expect(await told(lane)).toEqual([
      ['lanes.configure', 'configured', null, 'default'],
      ['lanes.setState', 'set', 'a test', 'default'],
    ])
    expect(await told(instanceId)).toEqual([['workers.drain', 'worker_not_found', null, 'default']])
    expect(await told(token.id)).toEqual([
      ['access.createToken', 'created', null, null],
      ['access.revoke', 'revoked', 'lost', null],
    ])
    expect(await told(namespace)).toEqual([['access.putNamespace', 'created', null, null]])
    expect(await told(keyId)).toEqual([
      ['keyring.add', 'added', null, null],
      ['keyring.retire', 'retired', null, null],
    ])
  })

  it('names the token that did it, and filters by it', async () => {
    const { json: token } = await server.call('POST', '/v1/admin/tokens', {
      body: { scopes: ['operate'] },
    })
    const id = await submit()
    await server.call('POST', `/v1/executions/${encodeURIComponent(id)}/cancel`, {
      headers: { authorization: `Bearer ${token.text}` },
    })
    const actor = `token:${token.id}`
    expect(await entriesOf(`actor=${actor}`)).toMatchObject([{ action: 'executions.cancel', subjects: [id] }])
    expect(await entriesOf(`actor=${actor}&namespace=other`)).toEqual([])
  })

  it('holds nothing of what was refused before it was tried, and nothing of work and reading', async () => {
    const { json: token } = await server.call('POST', '/v1/admin/tokens', { body: { scopes: ['read'] } })
    const id = await submit()
    const path = `/v1/executions/${encodeURIComponent(id)}`
    await server.call('POST', `${path}/cancel`, { headers: { authorization: `Bearer ${token.text}` } })
    await server.call('POST', `${path}/cancel`, { headers: { authorization: undefined } })
    await server.call('POST', `${path}/cancel`, { body: { colour: 'red' } })
    expect(await entriesOf(`subject=${encodeURIComponent(id)}`)).toEqual([])
  })

  it('is told page by page, the newest first, to administrators alone', async () => {
    const first = await server.call('GET', '/v1/audit?limit=2')
    expect(first.json.items).toHaveLength(2)
    const second = await server.call('GET', `/v1/audit?limit=2&cursor=${first.json.nextCursor}`)
    const ids = [first, second].flatMap(({ json }) =>
      (json.items as AuditEntry[]).map((each) => each.actionId),
    )
    expect(new Set(ids).size).toBe(4)
    const { json: token } = await server.call('POST', '/v1/admin/tokens', { body: { scopes: ['operate'] } })
    const headers = { authorization: `Bearer ${token.text}` }
    expect((await server.call('GET', '/v1/audit', { headers })).status).toBe(403)
  })
})

describe('a store that fails around an action', () => {
  /** The app over the same engine, whose audit log takes so many records and then no more. */
  async function appThatRecords(count: number) {
    const { engine, token } = server
    const { backend } = engine
    let left = count
    const audit: typeof backend.audit = {
      ...backend.audit,
      list: (params) => backend.audit.list(params),
      append: async (params) => {
        left -= 1
        if (left < 0) throw new Error('the store is away')
        return backend.audit.append(params)
      },
    }
    const withFault = Object.create(engine, { backend: { value: { ...backend, audit } } }) as typeof engine
    const app = await createApp({ engine: withFault, token })
    return {
      cancel: (id: string) =>
        app.inject({
          method: 'POST',
          url: `/v1/executions/${encodeURIComponent(id)}/cancel`,
          headers: { authorization: `Bearer ${token}` },
        }),
      close: () => app.close(),
    }
  }
  const stateOf = async (id: string) =>
    (await server.call('GET', `/v1/executions/${encodeURIComponent(id)}`)).json.publicState

  it('before it leaves it undone: what cannot be recorded is not carried out', async () => {
    const id = await submit()
    const app = await appThatRecords(0)
    expect((await app.cancel(id)).statusCode).toBe(500)
    expect(await stateOf(id)).toBe('waiting')
    expect(await entriesOf(`subject=${encodeURIComponent(id)}`)).toEqual([])
    await app.close()
  })

  it('after it leaves an entry without an outcome, as a crash does', async () => {
    const id = await submit()
    const app = await appThatRecords(1)
    expect((await app.cancel(id)).statusCode).toBe(200)
    expect(await stateOf(id)).toBe('cancelled')
    expect(await entriesOf(`subject=${encodeURIComponent(id)}`)).toMatchObject([
      { action: 'executions.cancel', outcome: null },
    ])
    await app.close()
  })
})
