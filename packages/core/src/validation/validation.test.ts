import { describe, expect, it } from 'vitest'
import type { ExecutionSubmission } from '../contract/executions.js'
import type { ClaimRequest } from '../contract/leases.js'
import { encodeHandle } from '../handle.js'
import {
  makeExecutionId,
  mintClaimId,
  mintExecutionId,
  mintFlowId,
  mintInstanceId,
  mintLeaseId,
  mintUuid,
} from '../ids/index.js'
import { limits } from '../limits.js'
import { defaultNamespace, parseKind, parseLaneId, parseWorkerId } from '../names.js'
import { defaultPartitionConfig as counts, mintExecutionIdInFlow } from '../partitions/index.js'
import { defaultRetryPolicy } from '../policies/retry.js'
import * as checks from './index.js'

const namespace = defaultNamespace
const item = (fields: object = {}): ExecutionSubmission => ({
  id: mintExecutionId(3),
  kind: parseKind('resize'),
  lane: parseLaneId('default'),
  input: null,
  ...fields,
})
const codesOf = (errors: readonly ({ readonly code?: string } | undefined)[]) =>
  errors.map((error) => error?.code)
const submitted = (fields: object) =>
  codesOf(checks.checkSubmitExecutions({ namespace, items: [item(fields)] }, counts))[0]
const codeOf = (call: () => unknown): string | undefined => {
  try {
    call()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('submitted items', () => {
  it.each<[object, string | undefined]>([
    [{}, undefined],
    [
      { input: new Uint8Array(limits.payloadBytesMax), priority: 9000, delayMs: 0, maxReclaims: 0 },
      undefined,
    ],
    [
      { retry: defaultRetryPolicy, timeouts: { deadlineMs: 1 }, tags: { 'a.b': 'c' }, capabilities: ['gpu'] },
      undefined,
    ],
    [{ id: 'x' }, 'invalid_execution_id'],
    [{ id: makeExecutionId(32, mintUuid()) }, 'partition_out_of_range'],
    [{ kind: 'a b' }, 'invalid_kind'],
    [{ lane: undefined }, 'invalid_lane_id'],
    [{ lane: 'x'.repeat(129) }, 'invalid_lane_id'],
    [{ input: undefined }, 'invalid_params'],
    [{ input: 'text' }, 'invalid_params'],
    [{ input: new Uint8Array(limits.payloadBytesMax + 1) }, 'payload_too_large'],
    [{ inputHash: 'a b' }, 'invalid_params'],
    [{ priority: 9001 }, 'invalid_priority'],
    [{ priority: 1.5 }, 'invalid_priority'],
    [{ capabilities: ['a,b'] }, 'invalid_capability'],
    [{ capabilities: 'gpu' }, 'invalid_params'],
    [{ capabilities: Array.from({ length: 257 }, (_, i) => `c${i}`) }, 'too_many_capabilities'],
    [{ tags: { nodot: 'x' } }, 'invalid_tag'],
    [{ tags: { 'ff.x': 'x' } }, 'invalid_tag'],
    [{ tags: { 'a.b': 'x'.repeat(257) } }, 'tag_too_long'],
    [{ tags: { 'a.b': 'a\0' } }, 'nul_in_text'],
    [{ tags: [] }, 'invalid_params'],
    [{ retry: {} }, 'invalid_policy'],
    [{ retry: { ...defaultRetryPolicy, maxAttempts: 0 } }, 'invalid_policy'],
    [
      { retry: { ...defaultRetryPolicy, backoff: { ...defaultRetryPolicy.backoff, multiplier: NaN } } },
      'invalid_policy',
    ],
    [
      { retry: { ...defaultRetryPolicy, backoff: { ...defaultRetryPolicy.backoff, maxMs: 1 } } },
      'invalid_policy',
    ],
    [{ retry: { ...defaultRetryPolicy, nonRetryable: [''] } }, 'invalid_policy'],
    [{ timeouts: { deadlineMs: 0 } }, 'invalid_policy'],
    [{ timeouts: { queueTtlMs: Infinity } }, 'invalid_policy'],
    [{ startAtMs: 1, delayMs: 1 }, 'invalid_params'],
    [{ startAtMs: -1 }, 'invalid_params'],
    [{ startAtMs: limits.timeMsMax + 1 }, 'limit_exceeded'],
    [{ delayMs: limits.durationMsMax + 1 }, 'limit_exceeded'],
    [{ traceContext: 'x'.repeat(1025) }, 'limit_exceeded'],
    [{ idempotencyKey: '' }, 'invalid_params'],
    [{ idempotencyKey: 'é'.repeat(257) }, 'limit_exceeded'],
    [{ idempotencyKey: 'a\0b' }, 'nul_in_text'],
  ])('%o is judged as %s', (fields, code) => {
    expect(submitted(fields)).toBe(code)
  })

  it('are judged one by one, and what is no object is an item error', () => {
    const items = [item(), null as never, item({ kind: '' }), item()]
    expect(codesOf(checks.checkSubmitExecutions({ namespace, items }, counts))).toEqual([
      undefined,
      'invalid_params',
      'invalid_kind',
      undefined,
    ])
  })

  it('are refused whole for faults of the call', () => {
    const many = Array.from({ length: limits.submitBatchMax + 1 }, () => item())
    expect(codeOf(() => checks.checkSubmitExecutions({ namespace, items: many }, counts))).toBe(
      'batch_too_large',
    )
    expect(codeOf(() => checks.checkSubmitExecutions({ namespace: '' as never, items: [] }, counts))).toBe(
      'invalid_namespace',
    )
    expect(codeOf(() => checks.checkSubmitExecutions(undefined as never, counts))).toBe('invalid_params')
  })

  it('cost less than 5 µs each', () => {
    const items = Array.from({ length: 1_000 }, () =>
      item({ input: new Uint8Array(80), tags: { 'a.b': 'c' } }),
    )
    for (let warm = 0; warm < 20; warm++) checks.checkSubmitExecutions({ namespace, items }, counts)
    const runs = Array.from({ length: 10 }, () => {
      const from = performance.now()
      checks.checkSubmitExecutions({ namespace, items }, counts)
      return performance.now() - from
    })
    expect(Math.min(...runs)).toBeLessThan(5)
  })
})

describe('claims', () => {
  const claim = (fields: object = {}): ClaimRequest => ({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId: mintInstanceId(),
    namespaces: [namespace],
    lanes: [parseLaneId('default')],
    kinds: [parseKind('resize@2')],
    capabilities: [],
    max: 1,
    leaseTtlMs: 30_000,
    ...fields,
  })
  it.each<[object, string | undefined]>([
    [{}, undefined],
    [{ max: 256, waitMs: 30_000 }, undefined],
    [{ claimId: 'x' }, 'invalid_claim_id'],
    [{ workerId: '' }, 'invalid_worker_id'],
    [{ instanceId: null }, 'invalid_instance_id'],
    [{ namespaces: [] }, 'invalid_params'],
    [{ namespaces: ['a b'] }, 'invalid_namespace'],
    [{ lanes: [] }, 'invalid_params'],
    [{ lanes: ['/'] }, 'invalid_lane_id'],
    [{ kinds: ['a@b@c'] }, 'invalid_kind'],
    [{ capabilities: [' '] }, 'invalid_capability'],
    [{ max: 0 }, 'invalid_params'],
    [{ max: 257 }, 'limit_exceeded'],
    [{ leaseTtlMs: 999 }, 'invalid_params'],
    [{ leaseTtlMs: 3_600_001 }, 'limit_exceeded'],
    [{ waitMs: 30_001 }, 'limit_exceeded'],
  ])('%o is judged as %s', (fields, code) => {
    expect(codeOf(() => checks.checkClaim(claim(fields)))).toBe(code)
  })
})

describe('items with a handle', () => {
  const executionId = mintExecutionId(1)
  const handle = encodeHandle({ executionId, attemptIndex: 0, leaseId: mintLeaseId(), epoch: 1 })
  const failure = { category: 'error', message: 'boom' }

  it('come back as the handle, or as the error of the item', () => {
    const items = [
      { handle, result: null },
      { handle: 'h1.x', result: null },
      { handle, result: 'text' as never },
    ]
    const [good, ...bad] = checks.checkComplete({ namespaces: [namespace], items })
    expect(good).toMatchObject({ executionId, epoch: 1 })
    expect(codesOf(bad as never)).toEqual(['invalid_handle', 'invalid_params'])
  })

  it.each<[object, string | undefined]>([
    [{ failure, retry: 'never' }, undefined],
    [{ failure, retry: { afterMs: 0 } }, undefined],
    [{ failure: { category: '', message: '' } }, 'invalid_params'],
    [{ failure: { category: 'error', message: 'x'.repeat(4_097) } }, 'limit_exceeded'],
    [{ failure: { category: 'error', message: 'a\0' } }, 'nul_in_text'],
    [{ failure, retry: 'soon' }, 'invalid_params'],
    [{ failure, retry: {} }, 'invalid_params'],
    [{ failure, retry: { atMs: 1, afterMs: 1 } }, 'invalid_params'],
  ])('a failure %o is judged as %s', (fields, code) => {
    const [checked] = checks.checkFail({ namespaces: [namespace], items: [{ handle, ...fields } as never] })
    expect(checked instanceof Error ? (checked as { code?: string }).code : undefined).toBe(code)
  })

  it.each<[object, string]>([
    [{ percent: 101 }, 'invalid_params'],
    [{ percent: 1, message: 'x'.repeat(1_025) }, 'limit_exceeded'],
  ])('progress %o is judged as %s', (fields, code) => {
    const [checked] = checks.checkRecordProgress({
      namespaces: [namespace],
      items: [{ handle, ...fields } as never],
    })
    expect(checked).toMatchObject({ code })
  })
})

describe('flows', () => {
  const flowId = mintFlowId()
  const node = (fields: object = {}) => ({
    ...item(),
    id: mintExecutionIdInFlow(flowId, counts.flow),
    ...fields,
  })
  const flow = (fields: object = {}) => ({ namespace, flowId, nodes: [node()], edges: [], ...fields })
  const edge = { from: node().id, to: node().id }

  it.each<[object, string | undefined]>([
    [{}, undefined],
    [{ nodes: [node({ name: 'a', join: { runOn: 'always' } })], edges: [{ ...edge, as: 'x' }] }, undefined],
    [{ flowId: 'x' }, 'invalid_flow_id'],
    [{ nodes: [] }, 'empty_flow'],
    [{ nodes: undefined }, 'invalid_params'],
    [{ nodes: Array(1_001).fill(node()) }, 'too_many_nodes'],
    [{ edges: Array(5_001).fill(edge) }, 'too_many_edges'],
    [{ nodes: [node({ name: '' })] }, 'invalid_name'],
    [{ nodes: [node({ name: 'x'.repeat(129) })] }, 'name_too_long'],
    [{ nodes: [node({ join: { runOn: 'never' } })] }, 'invalid_params'],
    [{ nodes: [node({ join: { policy: { kind: 'any_of', onSatisfied: 'x' } } })] }, 'invalid_edge_policy'],
    [{ edges: [{ from: 'x', to: 'y' }] }, 'invalid_execution_id'],
    [{ edges: [{ ...edge, as: '\n' }] }, 'invalid_name'],
    [{ deadlineMs: 0 }, 'invalid_params'],
    [{ tags: { x: '' } }, 'invalid_tag'],
  ])('%o is judged as %s', (fields, code) => {
    expect(codeOf(() => checks.checkSubmitFlow(flow(fields), counts))).toBe(code)
  })

  it('refuse a member of a foreign partition', () => {
    const own = Number(/\d+/.exec(node().id)?.[0])
    const foreign = makeExecutionId((own + 1) % counts.flow, mintUuid())
    expect(codeOf(() => checks.checkSubmitFlow(flow({ nodes: [node({ id: foreign })] }), counts))).toBe(
      'partition_mismatch',
    )
  })

  it.each<[object, string | undefined]>([
    [{ from: 'failed' }, undefined],
    [{ from: [] }, 'invalid_params'],
    [{ from: 'all' }, 'invalid_params'],
    [{ from: ['x'] }, 'invalid_execution_id'],
    [{ from: 'failed', inputs: [{ id: edge.from, input: 1 }] }, 'invalid_params'],
  ])('a replay %o is judged as %s', (fields, code) => {
    expect(codeOf(() => checks.checkReplayFlow({ namespace, flowId, ...fields } as never, counts))).toBe(code)
  })

  it.each<[object, string | undefined]>([
    [{ policy: 'cancel_all', waitMs: 1 }, undefined],
    [{ policy: 'all' }, 'invalid_params'],
    [{ policy: 'cancel_all', waitMs: 30_001 }, 'limit_exceeded'],
    [{ policy: 'cancel_all', finalisers: 'no' }, 'invalid_params'],
    [{ policy: 'cancel_all', reason: 'x'.repeat(513) }, 'limit_exceeded'],
  ])('a cancel %o is judged as %s', (fields, code) => {
    expect(codeOf(() => checks.checkCancelFlow({ namespace, flowId, ...fields } as never))).toBe(code)
  })
})

describe('lanes, listings and scans', () => {
  const lane = parseLaneId('default')
  it.each<[object, string | undefined]>([
    [{}, undefined],
    [{ shards: 65_535, concurrency: null, ageingMs: null, weight: 1_000, eventLevel: 'all' }, undefined],
    [{ shards: 0 }, 'invalid_partition_count'],
    [{ concurrency: 0 }, 'invalid_params'],
    [{ weight: 1_001 }, 'limit_exceeded'],
    [{ eventLevel: 'some' }, 'invalid_params'],
  ])('settings %o are judged as %s', (settings, code) => {
    expect(codeOf(() => checks.checkConfigureLane({ namespace, lane, settings }))).toBe(code)
  })

  it.each<[object, string | undefined]>([
    [{ limit: 1_000, cursor: 'x' }, undefined],
    [{ limit: 0 }, 'invalid_params'],
    [{ limit: 1_001 }, 'limit_exceeded'],
    [{ cursor: '' }, 'invalid_cursor'],
    [{ filter: { states: ['open'] } }, 'invalid_params'],
    [{ filter: { tags: { x: 'y' } } }, 'invalid_tag'],
    [{ filter: { tags: { 'ff.x': 'y' } } }, undefined],
    [{ filter: { lane: '' } }, 'invalid_lane_id'],
  ])('a page %o is judged as %s', (fields, code) => {
    expect(codeOf(() => checks.checkListExecutions({ namespace, ...fields } as never))).toBe(code)
  })

  it.each<[string, string | undefined]>([
    ['{fp:31}', undefined],
    ['{fp:32}', 'partition_out_of_range'],
    ['{q:1}', 'partition_tag_unknown_family'],
    ['fp:1', 'partition_tag_without_braces'],
  ])('a scan of %s is judged as %s', (partition, code) => {
    expect(codeOf(() => checks.checkScanRequest({ partition: partition as never, max: 1 }, counts))).toBe(
      code,
    )
  })
})
