import { mintExecutionId, mintWaitpointId, parseNamespace, SigningSecret } from '@flowfabric/core'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dump } from './support/dump.js'
import { startTestServer, type TestServer } from './support/test-server.js'

/** Secrets of a server are neither in its store, nor in its logs, nor in what it answers. */
const secretText = 'a-signing-secret-that-nobody-may-see'
const secret = new SigningSecret('k1', secretText)
const logged: string[] = []
let server: TestServer

beforeAll(async () => {
  server = await startTestServer({
    signingSecrets: [secret],
    logger: pino({ level: 'trace' }, { write: (line: string) => logged.push(line) }),
  })
})
afterAll(() => server.stop())

describe('a signing key', () => {
  it('is added with the fingerprint of the secret that the server has', async () => {
    const added = await server.call('POST', '/v1/admin/keyring', { body: { keyId: 'k1' } })
    expect(added).toMatchObject({
      status: 201,
      json: { outcome: 'added', key: { keyId: 'k1', fingerprint: secret.fingerprint } },
    })
    expect(await server.call('POST', '/v1/admin/keyring', { body: { keyId: 'k1' } })).toMatchObject({
      status: 200,
      json: { outcome: 'duplicate' },
    })
    expect(await server.call('POST', '/v1/admin/keyring', { body: { keyId: 'k2' } })).toMatchObject({
      status: 503,
      json: { code: 'signing_key_secret_missing' },
    })
    const other = { keyId: 'k1', fingerprint: '0'.repeat(64) }
    expect(await server.call('POST', '/v1/admin/keyring', { body: other })).toMatchObject({
      status: 409,
      json: { code: 'signing_key_reused' },
    })
  })

  it('signs and verifies in this process at once', async () => {
    const { keys, nowMs } = await server.engine.signing.current()
    const waitpoint = {
      id: mintWaitpointId(0),
      namespace: parseNamespace('tenant'),
      executionId: mintExecutionId(0),
      createdAtMs: nowMs,
      expiresAtMs: null,
    }
    const token = keys.mint(waitpoint, nowMs, 'ann')
    expect(keys.verify(token, waitpoint, nowMs)).toEqual({ source: 'ann' })
    expect(keys.verify(token, { ...waitpoint, id: mintWaitpointId(0) }, nowMs)).toBeUndefined()
  })

  it('of which the secret is missing, or another one, keeps the server from being ready', async () => {
    const ready = () => server.call('GET', '/readyz')
    const key = { keyId: 'k-lost', fingerprint: '0'.repeat(64) }
    const retire = (keyId: string) =>
      server.call('POST', `/v1/admin/keyring/${keyId}/retire`, { body: { verifyUntilMs: 0 } })
    expect((await ready()).status).toBe(200)
    await server.call('POST', '/v1/admin/keyring', { body: key })
    expect(await ready()).toMatchObject({
      status: 503,
      json: { status: 'not_ready', problems: ['the secret of the signing key k-lost is missing'] },
    })
    expect((await retire('k-lost')).json).toMatchObject({ outcome: 'retired' })
    expect((await ready()).status).toBe(200)
  })
})

describe('a secret', () => {
  it('is in no table, key, log line or answer', async () => {
    const { json: created } = await server.call('POST', '/v1/admin/tokens', { body: { scopes: ['admin'] } })
    const text = String(created.text)
    const headers = { authorization: `Bearer ${text}` }
    const answers: string[] = []
    for (const path of ['/v1/admin/tokens', '/v1/admin/keyring', '/v1/audit', '/v1/meta', '/readyz']) {
      answers.push(JSON.stringify((await server.call('GET', path, { headers })).json))
    }
    // Wrong ones, of which errors might tell.
    const wrong = `${text.slice(0, -4)}AAAA`
    await server.call('GET', '/v1/meta', { headers: { authorization: `Bearer ${wrong}` } })
    await server.call('DELETE', `/v1/admin/tokens/${text}`)
    await server.call('POST', '/v1/admin/keyring', { body: { keyId: `k1:${secretText}` } })
    await server.call('POST', `/v1/admin/keyring/k1:${secretText}/retire`, { body: { verifyUntilMs: 0 } })
    // Tokens of waitpoints, one that binds a source, and signals by them.
    const { json: work } = await server.call('POST', '/v1/executions', { body: { kind: 'x' } })
    const point = await server.call(
      'POST',
      `/v1/executions/${encodeURIComponent(String(work.id))}/waitpoints`,
      {
        body: { name: 'gate' },
      },
    )
    const at = `/v1/waitpoints/${encodeURIComponent((point.json.waitpoint as { id: string }).id)}`
    const bound = await server.call('POST', `${at}/tokens`, { body: { source: 'ann' } })
    const waitpointTokens = [String(point.json.token), String(bound.json.token)]
    for (const token of waitpointTokens) {
      const sent = { body: { name: 'yes' }, headers: { 'ff-waitpoint-token': token } }
      expect((await server.call('POST', `${at}/signal`, sent)).status).toBe(200)
      const inBody = { body: { name: 'yes', token }, headers: { authorization: undefined } }
      expect((await server.call('POST', `${at}/signal`, inBody)).status).toBe(200)
    }
    const stored = await dump(server)
    expect(stored).toContain(secret.fingerprint)
    expect(stored).toContain(String(created.id))
    expect(logged.length).toBeGreaterThan(0)
    const told = [stored, ...answers, ...logged]
    const macs = waitpointTokens.map((token) => token.slice(-43))
    for (const hidden of [secretText, text.slice(-43), wrong.slice(-43), server.token, ...macs]) {
      for (const each of told) expect(each.includes(hidden), hidden).toBe(false)
    }
  })
})
