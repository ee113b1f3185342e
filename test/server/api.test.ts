import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from './support/test-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const instanceId = '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'
let claims = 0
const claim = (fields: object = {}) => ({
  claimId: `0190a5f0-7a4c-7cc3-98c4-${String(++claims).padStart(12, '0')}`,
  workerId: 'w',
  instanceId,
  lanes: ['default'],
  kinds: ['resize'],
  ...fields,
})

describe('executions', () => {
  it('are submitted with few words, claimed, completed and read back', async () => {
    const submitted = await server.call('POST', '/v1/executions', {
      body: { kind: 'resize', input: { width: 3 } },
    })
    expect(submitted).toMatchObject({ status: 201, json: { outcome: 'accepted' } })
    const id = String(submitted.json.id)

    const claimed = await server.call('POST', '/v1/claims', { body: claim() })
    expect(claimed).toMatchObject({
      status: 200,
      json: { outcome: 'claimed', leases: [{ executionId: id, input: { width: 3 }, attemptIndex: 0 }] },
    })
    const [lease] = claimed.json.leases as { handle: string }[]
    const completed = await server.call('POST', '/v1/leases/complete', {
      body: { items: [{ handle: lease?.handle, result: [1] }, { handle: 'h1.x' }] },
    })
    expect(completed.json).toMatchObject({
      items: [
        { outcome: 'completed', late: false },
        { outcome: 'error', error: { code: 'invalid_handle' } },
      ],
      claimed: [],
    })

    const byBraces = await server.call('GET', `/v1/executions/${encodeURIComponent(id)}/result`)
    expect(byBraces.json).toEqual({ outcome: 'success', id, result: [1] })
    const plain = id.replace(/^\{fp:(\d+)\}:/, 'fp-$1-')
    expect((await server.call('GET', `/v1/executions/${plain}`)).json).toMatchObject({
      id,
      publicState: 'completed',
    })
    const attempts = await server.call('GET', `/v1/executions/${plain}/attempts`)
    expect(attempts.json).toMatchObject({ items: [{ index: 0, state: 'ended_success' }], nextCursor: null })
  })

  it('are found by filter, counted, and explained', async () => {
    const { json } = await server.call('POST', '/v1/executions', {
      body: { kind: 'lonely', lane: 'quiet', tags: { 'team.name': 'a:b' } },
    })
    const found = await server.call(
      'GET',
      '/v1/executions?lane=quiet&state=waiting&state=delayed&tag=team.name:a:b',
    )
    expect(found.json).toMatchObject({ items: [{ id: json.id }], nextCursor: null })
    expect((await server.call('GET', '/v1/executions:count?kind=lonely')).json).toEqual({
      outcome: 'counted',
      count: 1,
    })
    expect((await server.call('GET', '/v1/executions:count?lane=quiet&by=kind')).json).toEqual({
      outcome: 'counted',
      count: 1,
      groups: [{ name: 'lonely', count: 1 }],
    })
    expect((await server.call('GET', '/v1/executions?lane=quiet&endedFromMs=0')).json).toMatchObject({
      items: [],
    })
    const explained = await server.call(
      'GET',
      `/v1/executions/${encodeURIComponent(String(json.id))}/explain`,
    )
    expect(explained.json).toMatchObject({ dominant: { reason: 'no_worker' } })
  })

  it('refuse what their state does not allow as problems', async () => {
    const { json } = await server.call('POST', '/v1/executions', { body: { kind: 'x', lane: 'ends' } })
    const path = `/v1/executions/${encodeURIComponent(String(json.id))}`
    expect((await server.call('POST', `${path}/cancel`)).json).toEqual({ outcome: 'cancelled' })
    expect(await server.call('POST', `${path}/cancel`, { body: {} })).toMatchObject({
      status: 409,
      json: { code: 'execution_terminal', details: { terminalOutcome: 'cancelled' } },
    })
  })

  it('under one idempotency key are one', async () => {
    const body = { kind: 'x', lane: 'keyed', input: 1, idempotencyKey: 'key-1' }
    const first = await server.call('POST', '/v1/executions', { body })
    const second = await server.call('POST', '/v1/executions', { body })
    expect(second).toMatchObject({ status: 200, json: { outcome: 'duplicate', id: first.json.id } })
    const other = await server.call('POST', '/v1/executions', { body: { ...body, input: 2 } })
    expect(other).toMatchObject({ status: 409, json: { code: 'idempotency_conflict' } })
  })

  it('wait for their end', async () => {
    const { json } = await server.call('POST', '/v1/executions', { body: { kind: 'x', lane: 'awaited' } })
    const path = `/v1/executions/${encodeURIComponent(String(json.id))}`
    expect((await server.call('GET', `${path}/result`)).json).toMatchObject({ outcome: 'pending' })
    const waiting = server.call('GET', `${path}/result?waitMs=20000`)
    await server.call('POST', `${path}/cancel`)
    expect((await waiting).json).toMatchObject({ outcome: 'cancelled', cancelCause: 'operator' })
  })
})

describe('flows', () => {
  it('name their nodes, run to their end, and are the same flow under one key', async () => {
    const body = {
      name: 'diamond',
      idempotencyKey: 'flow-1',
      nodes: [
        { name: 'a', kind: 'flow-a', lane: 'flows', input: 1 },
        { name: 'b', kind: 'flow-b', lane: 'flows', join: { policy: { kind: 'all_of' } } },
      ],
      edges: [{ from: 'a', to: 'b', as: 'left' }],
    }
    const submitted = await server.call('POST', '/v1/flows', { body })
    expect(submitted.status).toBe(201)
    const flowId = String(submitted.json.flowId)
    expect(await server.call('POST', '/v1/flows', { body })).toMatchObject({
      status: 200,
      json: { outcome: 'duplicate', flowId },
    })

    for (const kind of ['flow-a', 'flow-b']) {
      const claimed = await server.call('POST', '/v1/claims', {
        body: claim({ lanes: ['flows'], kinds: [kind], waitMs: 20_000 }),
      })
      const [lease] = claimed.json.leases as { handle: string; upstream: unknown[] }[]
      if (kind === 'flow-b')
        expect(lease?.upstream).toMatchObject([{ as: 'left', satisfied: true, result: { by: 'flow-a' } }])
      await server.call('POST', '/v1/leases/complete', {
        body: { items: [{ handle: lease?.handle, result: { by: kind } }] },
      })
    }
    const result = await server.call('GET', `/v1/flows/${flowId}/result?waitMs=20000`)
    expect(result.json).toEqual({ outcome: 'completed', results: { b: { by: 'flow-b' } }, failures: [] })
    const graph = await server.call('GET', `/v1/flows/${flowId}/graph`)
    expect(graph.json.items).toHaveLength(2)
    for (const query of ['state=completed', 'name=diamond&endedFromMs=0&createdFromMs=0'])
      expect((await server.call('GET', `/v1/flows?${query}`)).json).toMatchObject({ items: [{ id: flowId }] })
    expect((await server.call('GET', '/v1/flows?name=other')).json).toMatchObject({ items: [] })
  })
})

describe('lanes and workers', () => {
  it('are configured, paused and listed', async () => {
    expect((await server.call('PUT', '/v1/lanes/slow', { body: { concurrency: 2 } })).json).toMatchObject({
      outcome: 'configured',
      lane: { lane: 'slow', concurrency: 2 },
    })
    const set = await server.call('POST', '/v1/lanes/slow/state', {
      body: { state: 'paused', reason: 'test' },
    })
    expect(set.json).toEqual({ outcome: 'set', previous: 'active' })
    const { json } = await server.call('GET', '/v1/lanes')
    expect(json.lanes).toContainEqual(expect.objectContaining({ lane: 'slow', state: 'paused' }))
  })

  it('register, beat and leave', async () => {
    const worker = {
      workerId: 'w2',
      instanceId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c073990',
      lanes: ['default'],
      kinds: ['x'],
      concurrency: 4,
    }
    expect((await server.call('POST', '/v1/workers', { body: worker })).json).toMatchObject({
      outcome: 'registered',
    })
    const beat = await server.call('POST', `/v1/workers/${worker.instanceId}/heartbeat`, {
      body: { active: 1 },
    })
    expect(beat.json).toMatchObject({ outcome: 'beating', draining: false })
    expect((await server.call('GET', '/v1/workers')).json.workers).toHaveLength(1)
    await server.call('POST', `/v1/workers/${worker.instanceId}/heartbeat`, { body: { goodbye: true } })
    expect((await server.call('GET', '/v1/workers')).json.workers).toHaveLength(0)
  })
})

describe('namespaces', () => {
  it('see nothing of each other', async () => {
    const { json } = await server.call('POST', '/v1/executions', {
      body: { kind: 'x' },
      headers: { 'ff-namespace': 'other' },
    })
    const path = `/v1/executions/${encodeURIComponent(String(json.id))}`
    expect(await server.call('GET', path)).toMatchObject({
      status: 404,
      json: { code: 'execution_not_found' },
    })
    expect(await server.call('GET', path, { headers: { 'ff-namespace': 'other' } })).toMatchObject({
      status: 200,
    })
  })
})

describe('what surrounds the API', () => {
  it('tells that it lives, is ready, and what it measured', async () => {
    const open = { headers: { authorization: undefined } }
    expect(await server.call('GET', '/healthz', open)).toMatchObject({
      status: 200,
      json: { status: 'live' },
    })
    expect(await server.call('GET', '/readyz', open)).toMatchObject({
      status: 200,
      json: { status: 'ready', problems: [] },
    })
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toContain(
      'flowfabric_http_request_duration_seconds_count{method="POST",route="/v1/claims",status="200"}',
    )
  })

  it('describes every route in OpenAPI 3.1', async () => {
    const { json } = await server.call('GET', '/v1/openapi.json', { headers: { authorization: undefined } })
    expect(json.openapi).toBe('3.1.0')
    const paths = json.paths as Record<string, Record<string, unknown>>
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/v1/executions/{id}',
        '/v1/executions:batch',
        '/v1/flows/{flowId}/graph',
        '/v1/claims',
        '/readyz',
      ]),
    )
    expect(paths['/v1/executions/{id}/cancel']?.post).toMatchObject({
      operationId: 'executions.cancel',
      requestBody: { content: { 'application/json': { schema: { additionalProperties: false } } } },
    })
    const page = await fetch(`${server.url}/docs`)
    expect(await page.text()).toContain('/v1/executions:batch')
  })

  it('sends headers that keep browsers away', async () => {
    const { headers } = await server.call('GET', '/v1/meta')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('access-control-allow-origin')).toBeNull()
  })
})
