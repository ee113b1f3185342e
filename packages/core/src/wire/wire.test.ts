import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { CancelExecutionOutcome } from '../contract/executions.js'
import type { ScheduledWork } from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import {
  deriveWaitpointId,
  makeExecutionId,
  mintBudgetId,
  mintClaimId,
  mintExecutionId,
  mintFlowId,
  mintInstanceId,
  mintSignalId,
  mintSuspensionId,
  mintWaitpointId,
} from '../ids/index.js'
import { limits } from '../limits.js'
import { defaultLane, defaultNamespace, parseKind, parseLaneId, parseWorkerId } from '../names.js'
import { defaultRetryPolicy, type RetryPolicy } from '../policies/retry.js'
import {
  type IdMint,
  mergeRefused,
  mintWaitpointToken,
  readPayload,
  readRefusal,
  refusalOf,
  signalByToken,
  signalExecution,
  submitExecution,
  type WireOperation,
  wire,
  writePayload,
} from './index.js'
import { writeWork } from './scheduled-work.js'
import { writeSpec, writeWholeSpec } from './specs.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const namespace = defaultNamespace
const kind = parseKind('resize')
const lane = parseLaneId('default')
const mint: IdMint = {
  soloId: () => mintExecutionId(1),
  flowId: mintFlowId,
  memberId: (flowId) => makeExecutionId(2, flowId),
  keyedFlowId: mintFlowId,
}

/** What a client writes, sent as JSON text, as the server reads it. */
function send<Params, Answer>(operation: WireOperation<Params, Answer>, params: Params) {
  const request = operation.writeRequest(params)
  const body: unknown = request.body === undefined ? undefined : JSON.parse(JSON.stringify(request.body))
  return operation.readRequest({
    namespace,
    path: request.path ?? {},
    query: dropAbsent(request.query),
    body,
    mint,
  })
}

/** As a URL's parser gives it: absent ones are not there, all else is text or a list of texts. */
function dropAbsent(query: Readonly<Record<string, unknown>> = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([key, value]) => [key, Array.isArray(value) ? value : String(value)]))
}

/** What a server writes, sent as JSON text, as the client reads it. */
function answer<Params, Answer>(operation: WireOperation<Params, Answer>, value: Answer): Answer {
  return operation.readAnswer(JSON.parse(JSON.stringify(operation.writeAnswer(value))))
}

const codeOf = (call: () => unknown): string | undefined => {
  try {
    call()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}

describe('payloads', () => {
  it.each([
    ['{"a":1}', 'json'],
    ['"text"', 'json'],
    ['0', 'json'],
    ['{ "a": 1 }', 'base64'],
    ['1.0', 'base64'],
    ['{"a":1,"a":2}', 'base64'],
    ['null', 'base64'],
    ['', 'base64'],
    ['{"__proto__":{"x":1}}', 'json'],
    [`${'['.repeat(32)}${']'.repeat(32)}`, 'json'],
    [`${'['.repeat(33)}${']'.repeat(33)}`, 'base64'],
    [`${'{"a":'.repeat(32)}1${'}'.repeat(32)}`, 'json'],
    [`[1,${'{"a":'.repeat(32)}1${'}'.repeat(32)},2]`, 'base64'],
    [`${'['.repeat(10_000)}${']'.repeat(10_000)}`, 'base64'],
  ])('%s goes as %s and comes back byte for byte', (text, form) => {
    const { json, base64 } = writePayload(bytes(text))
    expect(base64 === undefined ? 'json' : 'base64').toBe(form)
    const sent: unknown = json === undefined ? undefined : JSON.parse(JSON.stringify(json))
    expect(readPayload(sent, base64, 'input')).toEqual(bytes(text))
  })

  it('that are no text, and none at all, come back too', () => {
    const raw = Uint8Array.of(0, 255, 128)
    expect(readPayload(undefined, writePayload(raw).base64, 'input')).toEqual(raw)
    expect(writePayload(null)).toEqual({ json: null, base64: undefined })
    expect(readPayload(null, undefined, 'input')).toBeNull()
    expect(readPayload(undefined, undefined, 'input')).toBeNull()
  })

  it.each([
    [1, 'MQ==', 'both forms'],
    [undefined, 'M', 'cut'],
    [undefined, 'MQ', 'without padding'],
    [undefined, '!!!!', 'no base64'],
  ])('%s and %s are refused: %s', (json, base64, _why) => {
    expect(codeOf(() => readPayload(json, base64, 'input'))).toBe('invalid_params')
  })
})

describe('requests', () => {
  it('of a submit come back, with every policy', () => {
    const item = {
      id: mintExecutionId(3),
      kind,
      lane,
      input: bytes('{"n":1}'),
      inputHash: 'abc',
      priority: 5,
      capabilities: ['gpu'],
      tags: { 'a.b': 'c' },
      retry: {
        maxAttempts: 2,
        backoff: { kind: 'fixed' as const, initialMs: 1, multiplier: 1, maxMs: 1, jitter: false },
        nonRetryable: ['x'],
      },
      timeouts: { deadlineMs: 5 },
      delayMs: 7,
      idempotencyKey: 'k',
      idempotencyTtlMs: 1_000,
    }
    expect(send(wire.executions.submit, { namespace, items: [item] }).params.items[0]).toMatchObject(item)
    expect(send(submitExecution, { namespace, items: [item] }).params.items[0]).toMatchObject(item)
  })

  const usual = defaultRetryPolicy.backoff
  it.each<Partial<RetryPolicy>>([
    { maxAttempts: 7 },
    { nonRetryable: ['x'] },
    { backoff: { ...usual, kind: 'fixed' } },
    { backoff: { ...usual, initialMs: 1 } },
    { backoff: { ...usual, initialMs: 400_000 } },
    { backoff: { ...usual, initialMs: 400_000, maxMs: 400_000 } },
    { backoff: { ...usual, multiplier: 3 } },
    { backoff: { ...usual, maxMs: 1 } },
    { backoff: { ...usual, jitter: false } },
  ])('with retries %j send that, and are read as the whole', (other) => {
    const retry = { ...defaultRetryPolicy, ...other }
    const item = { id: mintExecutionId(3), kind, lane: defaultLane, input: null, retry }
    const { body } = wire.executions.submit.writeRequest({ namespace, items: [item] })
    const sent = { id: item.id, kind, retry: { maxAttempts: 3, ...other } }
    expect(JSON.parse(JSON.stringify(body))).toEqual({ items: [sent] })
    expect(send(wire.executions.submit, { namespace, items: [item] }).params.items[0]).toMatchObject(item)
  })

  it('of a schedule leave out of its work what an answer shows', () => {
    const spec = { kind, lane: defaultLane, input: null, retry: defaultRetryPolicy }
    const work: ScheduledWork = { kind: 'execution', spec }
    expect(JSON.parse(JSON.stringify(writeWork(work, writeSpec)))).toEqual({
      kind: 'execution',
      spec: { kind, retry: { maxAttempts: 3 } },
    })
    expect(JSON.parse(JSON.stringify(writeWork(work, writeWholeSpec)))).toEqual({
      kind: 'execution',
      spec: { kind, lane: defaultLane, retry: defaultRetryPolicy },
    })
  })

  it('leave out what the server fills in', () => {
    const body = { items: [{ kind: 'resize', retry: { backoff: { initialMs: 400_000 } } }] }
    const { params } = wire.executions.submit.readRequest({ namespace, path: {}, query: {}, body, mint })
    expect(params.items[0]).toMatchObject({
      lane: 'default',
      input: null,
      retry: {
        maxAttempts: 3,
        backoff: { kind: 'exponential', initialMs: 400_000, maxMs: 400_000 },
        nonRetryable: [],
      },
    })
  })

  it('of a batch keep the good items when some are bad', () => {
    const body = {
      items: [
        { kind: 'a' },
        { kind: 7 },
        'x',
        { kind: 'b', inputBase64: '?' },
        { kind: 'c', colour: 1 },
        { kind: 'd' },
      ],
    }
    const { params, refused } = wire.executions.submit.readRequest({
      namespace,
      path: {},
      query: {},
      body,
      mint,
    })
    expect(params.items.map((item) => item.kind)).toEqual(['a', 'd'])
    expect([...(refused ?? [])].map(([place, error]) => [place, error.code])).toEqual([
      [1, 'invalid_params'],
      [2, 'invalid_params'],
      [3, 'invalid_params'],
      [4, 'unknown_field'],
    ])
    const merged = mergeRefused(['first', 'last'], refused ?? new Map())
    expect(merged.map((item) => (typeof item === 'string' ? item : item.error.code))).toEqual([
      'first',
      'invalid_params',
      'invalid_params',
      'invalid_params',
      'unknown_field',
      'last',
    ])
  })

  it('of a listing carry their filter through a query', () => {
    const filter = { lane, states: ['waiting', 'active'] as const, tags: { 'a.b': 'x:y' }, createdFromMs: 5 }
    expect(send(wire.executions.list, { namespace, filter, limit: 7, cursor: 'c' }).params).toMatchObject({
      filter,
      limit: 7,
      cursor: 'c',
    })
    expect(send(wire.flows.list, { namespace, states: ['open'], tags: { 'a.b': 'c' } }).params).toMatchObject(
      {
        states: ['open'],
        tags: { 'a.b': 'c' },
      },
    )
  })

  it('of workers come back, also with a claim behind them', () => {
    const next = {
      claimId: mintClaimId(),
      workerId: parseWorkerId('w'),
      instanceId: mintInstanceId(),
      namespaces: [namespace],
      lanes: [lane],
      kinds: [kind],
      capabilities: ['gpu'],
      max: 2,
      leaseTtlMs: 5_000,
      waitMs: 10,
    }
    const items = [
      { handle: 'h1.x', result: bytes('null') },
      { handle: 'h1.y', result: null },
    ]
    expect(send(wire.leases.complete, { namespaces: [namespace], items, next }).params).toEqual({
      namespaces: [namespace],
      items,
      next,
    })
    const failed = [{ handle: 'h', failure: { category: 'error', message: 'm' }, retry: { afterMs: 3 } }]
    expect(send(wire.leases.fail, { namespaces: [namespace], items: failed }).params.items).toEqual(failed)
    expect(send(wire.leases.claim, { ...next, signal: new AbortController().signal }).params).toEqual(next)
  })

  it('of a suspension come back, with its whole condition', () => {
    const waitpointId = mintWaitpointId(1)
    const payload = {
      op: 'and',
      of: [
        { op: 'equals', path: '/a', value: [null, { b: 1 }] },
        { op: 'not', of: { op: 'above', path: '/n', value: 0.5 } },
      ],
    } as const
    const item = {
      handle: 'h',
      suspensionId: mintSuspensionId(1),
      reason: 'approval',
      condition: {
        kind: 'any_of',
        of: [
          { kind: 'all_of', of: [{ kind: 'signal', waitpointId, match: { name: 'yes', payload } }] },
          { kind: 'count', n: 2, of: 'sources', waitpointIds: [waitpointId] },
          { kind: 'child', id: mintFlowId() },
          { kind: 'child', id: mintExecutionId(3) },
        ],
      },
      waitpoints: [{ waitpointId, name: 'gate', expiresAtMs: 5 }],
      timeout: { afterMs: 1_000, behaviour: 'escalate' },
      resumePolicy: { delayMs: 5, closeWaitpoints: false },
    } as const
    const params = { namespaces: [namespace], items: [item] }
    expect(send(wire.suspensions.suspend, params).params).toEqual(params)
    const broken = { ...item, condition: { kind: 'signal', waitpoint: waitpointId } }
    const read = send(wire.suspensions.suspend, { ...params, items: [broken as never, item] })
    expect(read.params.items).toEqual([item])
    expect(read.refused?.get(0)?.code).toBe('unknown_field')
  })

  it('of a signal come back but for its source, which no body may tell', () => {
    const signal = {
      namespace,
      waitpointId: mintWaitpointId(1),
      signalId: mintSignalId(1),
      name: 'yes',
      payload: Uint8Array.of(255),
      idempotencyKey: 'k',
      source: 'ann',
    }
    expect(send(wire.suspensions.deliverSignal, signal).params).toEqual({ ...signal, source: null })
    const { params } = wire.suspensions.deliverSignal.readRequest({
      namespace,
      path: { id: signal.waitpointId },
      query: {},
      body: { name: 'yes', payload: { ok: true } },
      mint,
    })
    expect(params).toMatchObject({ payload: bytes('{"ok":true}'), source: null })
    expect(params.idempotencyKey).toBe(params.signalId)
    expect(params.signalId.startsWith('{fp:1}:')).toBe(true)
  })

  it('of a token’s bearer carry it in a header, and are read from there or from the body', () => {
    const waitpointId = mintWaitpointId(1)
    const signal = {
      waitpointId,
      signalId: mintSignalId(1),
      name: 'yes',
      payload: null,
      idempotencyKey: 'k',
      token: 'k1.mac',
    }
    const written = signalByToken.writeRequest(signal)
    expect(written.headers).toEqual({ 'ff-waitpoint-token': 'k1.mac' })
    expect(JSON.stringify(written.body)).not.toContain('k1.mac')
    const call = { namespace, path: { id: waitpointId }, query: {}, mint }
    const { headers, body } = written
    expect(signalByToken.readRequest({ ...call, headers, body }).params).toEqual(signal)
    const inBody = { ...(body as object), token: 'k1.other' }
    expect(signalByToken.readRequest({ ...call, body: inBody }).params.token).toBe('k1.other')
    expect(signalByToken.readRequest({ ...call, headers, body: inBody }).params.token).toBe('k1.mac')
    expect(send(mintWaitpointToken, { namespace, waitpointId, source: 'ann' }).params).toEqual({
      namespace,
      waitpointId,
      source: 'ann',
    })
  })

  it('about a waitpoint that is named mean the one that follows from its name', () => {
    const executionId = mintExecutionId(1)
    const waitpointId = deriveWaitpointId(executionId, 'gate')
    const call = { namespace, path: { id: executionId }, query: {}, mint }
    const opened = wire.suspensions.createWaitpoint.readRequest({ ...call, body: { name: 'gate' } })
    expect(opened.params.waitpointId).toBe(waitpointId)
    for (const waitpoint of ['gate', waitpointId]) {
      const body = { waitpoint, name: 'yes', payload: 1 }
      expect(signalExecution.readRequest({ ...call, body }).params).toMatchObject({
        waitpointId,
        name: 'yes',
        source: null,
      })
    }
  })

  it('about waitpoints and signals come back', () => {
    const executionId = mintExecutionId(1)
    const waitpointId = mintWaitpointId(1)
    const created = { namespace, executionId, waitpointId, name: 'gate', expiresAtMs: 7 }
    expect(send(wire.suspensions.createWaitpoint, created).params).toEqual(created)
    const closed = { namespace, waitpointId }
    expect(send(wire.suspensions.closeWaitpoint, closed).params).toEqual(closed)
    const listed = { namespace, executionId, cursor: 'c', limit: 5 }
    expect(send(wire.suspensions.listWaitpoints, listed).params).toEqual(listed)
    const signals = { ...listed, waitpointId, suspensionId: mintSuspensionId(1) }
    expect(send(wire.suspensions.listSignals, signals).params).toEqual(signals)
  })

  it('of a flow may name nodes instead of giving ids', () => {
    const body = {
      nodes: [
        { name: 'a', kind: 'x' },
        { name: 'b', kind: 'x', join: { policy: { kind: 'any_of' } } },
      ],
      edges: [{ from: 'a', to: 'b', as: 'r' }],
    }
    const distinct: IdMint = {
      ...mint,
      memberId: (_, name) => makeExecutionId(name === 'a' ? 1 : 2, mintFlowId()),
    }
    const { params } = wire.flows.submit.readRequest({ namespace, path: {}, query: {}, body, mint: distinct })
    const [a, b] = params.nodes
    expect(params.edges).toEqual([{ from: a?.id, to: b?.id, as: 'r' }])
    const stray = { ...body, edges: [{ from: 'a', to: 'z' }] }
    expect(
      codeOf(() => wire.flows.submit.readRequest({ namespace, path: {}, query: {}, body: stray, mint })),
    ).toBe('unknown_node')
  })

  it.each([
    [{ kind: 'x', colour: 'red' }, 'unknown_field', { path: 'colour' }],
    [{ kind: 'x', retry: { backoff: { colour: 1 } } }, 'unknown_field', { path: 'retry.backoff.colour' }],
    [{}, 'invalid_params', { issues: [expect.objectContaining({ path: 'kind' })] }],
    [[], 'invalid_params', { issues: [expect.objectContaining({ path: '' })] }],
    ['x', 'invalid_params', { issues: [expect.objectContaining({ path: '' })] }],
    [undefined, 'invalid_params', { issues: [expect.objectContaining({ path: '' })] }],
  ])('%j is refused as %s', (body, code, details) => {
    expect(() => submitExecution.readRequest({ namespace, path: {}, query: {}, body, mint })).toThrow(
      expect.objectContaining({ code, details }),
    )
  })
})

describe('answers', () => {
  const suspensionId = mintSuspensionId(1)
  const aSignal = {
    id: mintSignalId(1),
    waitpointId: mintWaitpointId(1),
    name: 'yes',
    payload: bytes('{"ok":true}'),
    source: null,
    receivedAtMs: 3,
    suspensionId,
  }
  const aResumption = {
    suspensionId,
    by: 'condition' as const,
    atMs: 5,
    signals: [aSignal, { ...aSignal, waitpointId: null, payload: Uint8Array.of(255) }],
    signalsTruncated: false,
    children: [{ id: mintFlowId(), generation: 2, outcome: 'not_found' as const }],
  }

  it('of suspensions come back', () => {
    const answers = {
      items: [
        { outcome: 'suspended' as const, suspensionId, timesOutAtMs: 9 },
        { outcome: 'already_satisfied' as const, resumption: aResumption },
        { outcome: 'waitpoint_conflict' as const, waitpointId: mintWaitpointId(1) },
        { outcome: 'stale_lease' as const },
      ],
    }
    expect(answer(wire.suspensions.suspend, answers)).toEqual(answers)
    const page = { items: [aSignal], nextCursor: null }
    expect(answer(wire.suspensions.listSignals, page)).toEqual(page)
    expect(refusalOf({ outcome: 'waitpoint_closed' })?.status).toBe(409)
    expect(refusalOf({ outcome: 'not_matched' })?.status).toBe(409)
  })

  it('of a claim come back, with upstream results and journal', () => {
    const claimed = {
      executionId: mintExecutionId(1),
      namespace,
      flowId: null,
      name: null,
      kind,
      lane,
      priority: 0,
      input: Uint8Array.of(1, 2),
      attemptIndex: 0,
      attemptType: 'initial' as const,
      generation: 1,
      handle: 'h1',
      leaseExpiresAtMs: 1,
      attemptDeadlineAtMs: null,
      claimedAtMs: 1,
      upstream: [
        {
          as: 'a',
          executionId: mintExecutionId(1),
          publicState: 'completed' as const,
          satisfied: true,
          result: bytes('[1]'),
        },
      ],
      upstreamTruncated: false,
      steps: [{ name: 's', type: 'step' as const, result: null, attemptIndex: 0, recordedAtMs: 1 }],
      stepsTruncated: false,
      resumption: aResumption,
      budgets: [{ budgetId: mintBudgetId(), estimate: { tokens: 5 } }],
      tags: {},
      traceContext: null,
    }
    expect(answer(wire.leases.claim, { outcome: 'claimed', leases: [claimed] })).toEqual({
      outcome: 'claimed',
      leases: [claimed],
    })
    expect(answer(wire.leases.claim, { outcome: 'empty' })).toEqual({ outcome: 'empty' })
    const finished = { items: [{ outcome: 'completed' as const, late: false }], claimed: [claimed] }
    expect(answer(wire.leases.complete, finished)).toEqual(finished)
  })

  it('with an item in error carry its code, details and retry class', () => {
    const error = engineError('payload_too_large', 'Too large', { max: 1, actual: 2 })
    const { items } = answer(wire.executions.submit, { items: [{ outcome: 'error', error }], claimed: [] })
    expect(items[0]).toMatchObject({
      outcome: 'error',
      error: { code: 'payload_too_large', details: { max: 1, actual: 2 } },
    })
  })

  it('of a flow keep results that are no plain JSON', () => {
    const results = { a: bytes('{"x":1}'), b: Uint8Array.of(255), c: null }
    const outcome = { outcome: 'completed' as const, results, failures: [] }
    const read = answer(wire.flows.getResult, outcome)
    expect(read.outcome === 'pending' ? undefined : Object.entries(read.results)).toEqual(
      expect.arrayContaining(Object.entries(results)),
    )
  })

  it('that refuse are problems between two equal outcomes', () => {
    const outcome: CancelExecutionOutcome = { outcome: 'execution_terminal', terminalOutcome: 'success' }
    const problem = refusalOf(outcome)
    expect(problem).toMatchObject({
      status: 409,
      code: 'execution_terminal',
      details: { terminalOutcome: 'success' },
    })
    const { refusals } = wire.executions.cancel
    expect(readRefusal(refusals, JSON.parse(JSON.stringify(problem)), 409)).toEqual({ answer: outcome })
    expect(refusalOf({ outcome: 'cancelled' })).toBeUndefined()
    expect(readRefusal(refusals, { code: 'execution_not_found', status: 404 }, 404)).toMatchObject({
      error: { code: 'execution_not_found' },
    })
  })

  it('of another shape are an unexpected answer', () => {
    expect(codeOf(() => wire.executions.count.readAnswer({ outcome: 'counted' }))).toBe('unexpected_answer')
  })
})

describe('schemas', () => {
  const operations = Object.values(wire).flatMap((role): WireOperation<never, never>[] => Object.values(role))

  it('have a name and a route each, once', () => {
    expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length)
    expect(new Set(operations.map(({ method, path }) => `${method} ${path}`)).size).toBe(operations.length)
  })

  it.each(operations.map((operation) => [operation.name, operation] as const))(
    '%s can be described',
    (_, { schemas }) => {
      for (const schema of [schemas.path, schemas.query, schemas.body]) {
        if (schema !== undefined)
          expect(z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' })).toHaveProperty('type')
      }
      expect(Object.keys(z.toJSONSchema(schemas.answer, { io: 'output' })).length).toBeGreaterThan(1)
    },
  )

  it('state bounds for their readers', () => {
    const body = wire.executions.cancel.schemas.body
    const described = z.toJSONSchema(body ?? z.never(), { io: 'input' })
    expect(described).toMatchObject({
      additionalProperties: false,
      properties: { graceMs: { type: 'integer', minimum: 0, maximum: limits.cancelGraceMsMax } },
    })
  })
})
