import { type ExecutionId, makeExecutionId, mintUuid, partitionIndexOf } from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from './support/test-server.js'

/**
 * Requests that no correct caller sends: each is a problem document with its code, none is a 500, and none changes
 * anything.
 */
let server: TestServer
let id: ExecutionId
let flowId: string
let staleHandle: string
beforeAll(async () => {
  server = await startTestServer({ bodyBytesMax: 2_000_000, scans: false })
  const submitted = await server.call('POST', '/v1/executions', {
    body: { kind: 'x', lane: 'a', idempotencyKey: 'taken' },
  })
  id = submitted.json.id as ExecutionId
  const flow = await server.call('POST', '/v1/flows', {
    body: { nodes: [{ name: 'a', kind: 'x', lane: 'f' }] },
  })
  flowId = String(flow.json.flowId)
  staleHandle = `h1.${partitionIndexOf(id)}.${id.slice(-36)}.0.${mintUuid()}.1`
})
afterAll(() => server.stop())

const claim = () => ({
  claimId: mintUuid(),
  workerId: 'w',
  instanceId: mintUuid(),
  lanes: ['nobody'],
  kinds: ['nothing'],
})
const node = (name: string, fields: object = {}) => ({ name, kind: 'x', lane: 'f', ...fields })
const nodes = [node('a'), node('b')]
const edge = { from: 'a', to: 'b' }
const url = (path: string) => path.replace('{id}', encodeURIComponent(id)).replace('{flowId}', flowId)

interface Malformed {
  readonly what: string
  readonly request: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly status: number
  readonly code: string
  readonly details?: object
}

const cases: readonly Malformed[] = [
  {
    what: 'no token',
    request: 'GET /v1/lanes',
    headers: { authorization: undefined },
    status: 401,
    code: 'unauthorized',
  },
  {
    what: 'a wrong token',
    request: 'GET /v1/lanes',
    headers: { authorization: 'Bearer x' },
    status: 401,
    code: 'unauthorized',
  },
  { what: 'an unknown route', request: 'GET /v1/nothing', status: 404, code: 'route_not_found' },
  { what: 'a wrong method', request: 'DELETE /v1/executions', status: 405, code: 'method_not_allowed' },
  { what: 'a malformed URL', request: 'GET /v1/executions/%zz', status: 400, code: 'invalid_params' },
  {
    what: 'a bad namespace',
    request: 'GET /v1/lanes',
    headers: { 'ff-namespace': 'a b' },
    status: 400,
    code: 'invalid_namespace',
  },
  {
    what: 'broken JSON',
    request: 'POST /v1/executions',
    body: '{"kind":',
    status: 400,
    code: 'invalid_json',
  },
  {
    what: 'bytes that are no UTF-8',
    request: 'POST /v1/executions',
    body: '\xff',
    headers: { 'x-raw': '1' },
    status: 400,
    code: 'invalid_json',
  },
  {
    what: 'a foreign media type',
    request: 'POST /v1/executions',
    body: 'kind=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    what: 'a body over the limit',
    request: 'POST /v1/executions',
    body: { kind: 'x', input: 'x'.repeat(2_000_000) },
    status: 413,
    code: 'body_too_large',
    details: { max: 2_000_000 },
  },
  {
    what: 'a body nested too deep',
    request: 'POST /v1/executions',
    body: `{"kind":"x","input":${'['.repeat(100)}${']'.repeat(100)}}`,
    status: 400,
    code: 'limit_exceeded',
  },
  { what: 'no body', request: 'POST /v1/executions', status: 400, code: 'invalid_params' },
  {
    what: 'a missing field',
    request: 'POST /v1/executions',
    body: {},
    status: 400,
    code: 'invalid_params',
    details: { issues: [{ path: 'kind' }] },
  },
  {
    what: 'an unknown field',
    request: 'POST /v1/executions',
    body: { kind: 'x', colour: 1 },
    status: 400,
    code: 'unknown_field',
    details: { path: 'colour' },
  },
  {
    what: 'a nested unknown field',
    request: 'POST /v1/flows',
    body: { nodes: [node('a', { join: { policy: { kind: 'all_of', of: 1 } } })] },
    status: 400,
    code: 'unknown_field',
    details: { path: 'nodes.0.join.policy.of' },
  },
  { what: 'an unparsable id', request: 'GET /v1/executions/7', status: 400, code: 'invalid_execution_id' },
  { what: 'an unparsable flow id', request: 'GET /v1/flows/7', status: 400, code: 'invalid_flow_id' },
  {
    what: 'a partition out of range',
    request: 'POST /v1/executions',
    body: { id: makeExecutionId(65_000, mintUuid()), kind: 'x' },
    status: 400,
    code: 'partition_out_of_range',
    details: { index: 65_000 },
  },
  {
    what: 'a bad kind',
    request: 'POST /v1/executions',
    body: { kind: 'a b' },
    status: 400,
    code: 'invalid_kind',
  },
  {
    what: 'a bad lane',
    request: 'POST /v1/executions',
    body: { kind: 'x', lane: 'x'.repeat(129) },
    status: 400,
    code: 'invalid_lane_id',
  },
  {
    what: 'a bad priority',
    request: 'POST /v1/executions',
    body: { kind: 'x', priority: 9_001 },
    status: 400,
    code: 'invalid_priority',
  },
  {
    what: 'an oversize payload',
    request: 'POST /v1/executions',
    body: { kind: 'x', input: 'x'.repeat(1_048_576) },
    status: 413,
    code: 'payload_too_large',
  },
  {
    what: 'a payload twice',
    request: 'POST /v1/executions',
    body: { kind: 'x', input: 1, inputBase64: 'MQ==' },
    status: 400,
    code: 'invalid_params',
  },
  {
    what: 'a bad tag',
    request: 'POST /v1/executions',
    body: { kind: 'x', tags: { nodot: 'x' } },
    status: 400,
    code: 'invalid_tag',
  },
  {
    what: 'NUL in a text',
    request: 'POST /v1/executions',
    body: { kind: 'x', tags: { 'a.b': 'x\0' } },
    status: 400,
    code: 'nul_in_text',
  },
  {
    what: 'a retry policy that does not hold',
    request: 'POST /v1/executions',
    body: { kind: 'x', retry: { maxAttempts: 0 } },
    status: 400,
    code: 'invalid_policy',
  },
  {
    what: 'a key with other content',
    request: 'POST /v1/executions',
    body: { kind: 'x', lane: 'a', input: 2, idempotencyKey: 'taken' },
    status: 409,
    code: 'idempotency_conflict',
  },
  {
    what: 'an oversize batch',
    request: 'POST /v1/executions:batch',
    body: { items: Array(1_001).fill({ kind: 'x' }) },
    status: 413,
    code: 'batch_too_large',
  },
  { what: 'a bad cursor', request: 'GET /v1/executions?cursor=x', status: 400, code: 'invalid_cursor' },
  { what: 'a bad filter', request: 'GET /v1/executions?state=asleep', status: 400, code: 'invalid_params' },
  {
    what: 'a bad grouping',
    request: 'GET /v1/executions:count?by=colour',
    status: 400,
    code: 'invalid_params',
  },
  { what: 'a bad time', request: 'GET /v1/flows?endedFromMs=then', status: 400, code: 'invalid_params' },
  {
    what: 'a bad type of events',
    request: 'GET /v1/events?type=colour',
    status: 400,
    code: 'invalid_params',
  },
  {
    what: 'a limit over the bound',
    request: 'GET /v1/executions?limit=1001',
    status: 400,
    code: 'limit_exceeded',
  },
  {
    what: 'an unknown query parameter',
    request: 'GET /v1/executions?colour=red',
    status: 400,
    code: 'unknown_field',
    details: { path: 'colour' },
  },
  {
    what: 'another namespace’s execution',
    request: 'GET /v1/executions/{id}',
    headers: { 'ff-namespace': 'other' },
    status: 404,
    code: 'execution_not_found',
  },
  {
    what: 'another namespace’s flow',
    request: 'POST /v1/flows/{flowId}/cancel',
    headers: { 'ff-namespace': 'other' },
    status: 404,
    code: 'flow_not_found',
  },
  { what: 'an empty flow', request: 'POST /v1/flows', body: { nodes: [] }, status: 400, code: 'empty_flow' },
  {
    what: 'a cycle',
    request: 'POST /v1/flows',
    body: { nodes, edges: [edge, { from: 'b', to: 'a' }] },
    status: 400,
    code: 'cycle',
    details: { path: expect.arrayContaining([expect.any(String)]) },
  },
  {
    what: 'a self edge',
    request: 'POST /v1/flows',
    body: { nodes, edges: [{ from: 'a', to: 'a' }] },
    status: 400,
    code: 'self_edge',
  },
  {
    what: 'a duplicate edge',
    request: 'POST /v1/flows',
    body: { nodes, edges: [edge, edge] },
    status: 400,
    code: 'duplicate_edge',
  },
  {
    what: 'an unknown node',
    request: 'POST /v1/flows',
    body: { nodes, edges: [{ from: 'a', to: 'z' }] },
    status: 400,
    code: 'unknown_node',
  },
  {
    what: 'a duplicate name',
    request: 'POST /v1/flows',
    body: { nodes: [node('a'), node('a', { id: undefined })] },
    status: 400,
    code: 'duplicate_name',
  },
  {
    what: 'an over-long name',
    request: 'POST /v1/flows',
    body: { nodes: [node('x'.repeat(129))] },
    status: 400,
    code: 'name_too_long',
  },
  {
    what: 'a quorum of none',
    request: 'POST /v1/flows',
    body: { nodes: [nodes[0], node('b', { join: { policy: { kind: 'quorum', k: 0 } } })], edges: [edge] },
    status: 400,
    code: 'invalid_quorum',
  },
  {
    what: 'a quorum above n',
    request: 'POST /v1/flows',
    body: { nodes: [nodes[0], node('b', { join: { policy: { kind: 'quorum', k: 2 } } })], edges: [edge] },
    status: 400,
    code: 'invalid_quorum',
  },
  {
    what: 'onSatisfied on all_of',
    request: 'POST /v1/flows',
    body: {
      nodes: [nodes[0], node('b', { join: { policy: { kind: 'all_of', onSatisfied: 'let_run' } } })],
      edges: [edge],
    },
    status: 400,
    code: 'on_satisfied_not_allowed',
  },
  {
    what: 'a policy without edges',
    request: 'POST /v1/flows',
    body: { nodes: [node('a', { join: { runOn: 'always' } })] },
    status: 400,
    code: 'policy_without_edges',
  },
  {
    what: 'a member of a foreign partition',
    request: 'POST /v1/flows',
    body: {
      flowId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f',
      nodes: [
        node('a', { id: makeExecutionId(0, mintUuid()) }),
        node('b', { id: makeExecutionId(1, mintUuid()) }),
      ],
    },
    status: 400,
    code: 'partition_mismatch',
  },
  {
    what: 'a claim of nothing',
    request: 'POST /v1/claims',
    body: { ...claim(), lanes: [] },
    status: 400,
    code: 'invalid_params',
  },
  {
    what: 'a claim that waits too long',
    request: 'POST /v1/claims',
    body: { ...claim(), waitMs: 30_001 },
    status: 400,
    code: 'limit_exceeded',
  },
  {
    what: 'a bad lane state',
    request: 'POST /v1/lanes/a/state',
    body: { state: 'asleep' },
    status: 400,
    code: 'invalid_params',
  },
  {
    what: 'shards out of range',
    request: 'PUT /v1/lanes/a',
    body: { shards: 0 },
    status: 400,
    code: 'invalid_partition_count',
  },
]

describe('a malformed request', () => {
  it('is judged by the table of at least thirty', () => {
    expect(cases.length).toBeGreaterThanOrEqual(30)
  })

  it.each(cases)('with $what is $status $code', async ({ request, body, headers, status, code, details }) => {
    const before = await readState()
    const [method = '', path = ''] = request.split(' ')
    const answer = headers?.['x-raw']
      ? await sendRaw(path)
      : await server.call(method, url(path), { body, headers })
    expect(answer).toMatchObject({
      status,
      json: {
        type: `urn:flowfabric:error:${code}`,
        status,
        code,
        ...(details === undefined ? {} : { details }),
      },
    })
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(await readState()).toEqual(before)
  })
})

describe('a bad item of a batch', () => {
  it.each([
    ['handle', 'POST /v1/leases/complete', { handle: 'x', result: 1 }, 'invalid_handle'],
    ['unknown field', 'POST /v1/leases/yield', { handle: 'x', colour: 1 }, 'unknown_field'],
    ['lease time', 'POST /v1/leases/renew', { handle: () => staleHandle, leaseTtlMs: 1 }, 'invalid_params'],
    ['percentage', 'POST /v1/leases/progress', { handle: () => staleHandle, percent: 101 }, 'invalid_params'],
    [
      'failure',
      'POST /v1/leases/fail',
      { handle: () => staleHandle, failure: { category: '', message: '' } },
      'invalid_params',
    ],
  ])('(%s) is refused alone, and a stale one is told apart', async (_what, request, item, code) => {
    const before = await readState()
    const [method = '', path = ''] = request.split(' ')
    const bad = Object.fromEntries(
      Object.entries(item).map(([key, value]) => [key, typeof value === 'function' ? value() : value]),
    )
    const stale = { leaseTtlMs: 5_000, percent: 1, failure: { category: 'error', message: 'm' } } as Record<
      string,
      unknown
    >
    const good = Object.fromEntries(
      Object.entries(bad).map(([key]) => [key, key === 'handle' ? staleHandle : stale[key]]),
    )
    delete good.colour
    const { status, json } = await server.call(method, path, { body: { items: [bad, good, bad] } })
    expect(status).toBe(200)
    expect(json.items).toMatchObject([
      { outcome: 'error', error: { code } },
      { outcome: 'stale_lease' },
      { outcome: 'error', error: { code } },
    ])
    expect(await readState()).toEqual(before)
  })

  it('leaves its neighbours in a submit unharmed', async () => {
    const { json } = await server.call('POST', '/v1/executions:batch', {
      body: { items: [{ kind: 'ok', lane: 'b' }, { kind: 7 }, { kind: 'a b' }, { kind: 'ok', lane: 'b' }] },
    })
    expect(json.items).toMatchObject([
      { outcome: 'accepted' },
      { outcome: 'error', error: { code: 'invalid_params' } },
      { outcome: 'error', error: { code: 'invalid_kind' } },
      { outcome: 'accepted' },
    ])
  })
})

/** All that the API shows of both namespaces. */
async function readState() {
  const paths = [
    '/v1/executions',
    '/v1/flows',
    `/v1/flows/${flowId}/graph`,
    '/v1/lanes',
    '/v1/workers',
    '/v1/events',
    '/v1/meta',
  ]
  const answers = await Promise.all(paths.map((path) => server.call('GET', path)))
  const other = await server.call('GET', '/v1/executions', { headers: { 'ff-namespace': 'other' } })
  return [...answers, other].map(({ json }) => json)
}

/** `fetch` would make UTF-8 of it. */
async function sendRaw(path: string) {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
    body: Uint8Array.of(0x7b, 0xff, 0x7d),
  })
  return {
    status: response.status,
    headers: response.headers,
    json: (await response.json()) as Record<string, unknown>,
  }
}
