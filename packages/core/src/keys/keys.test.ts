import { describe, expect, it } from 'vitest'
import {
  makeExecutionId,
  mintEdgeId,
  mintEntryId,
  mintInstanceId,
  mintOperationId,
  mintQuotaId,
  mintScheduleId,
  mintWaitpointId,
  mintWebhookId,
  parseBudgetId,
  parseFlowId,
  uuidOf,
} from '../ids/index.js'
import { parseLaneId, parseNamespace } from '../names.js'
import { BudgetKeys, ExecutionKeys, FlowKeys, PartitionIndexKeys, QuotaKeys } from './index.js'

const UUID = '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'
const COUNT = 32
const INDEX = 19
const executionId = makeExecutionId(INDEX, UUID)
const foreignId = makeExecutionId(INDEX + 1, UUID)
const namespace = parseNamespace('acme')
const lane = parseLaneId('mail:high')

const execution = new ExecutionKeys(executionId)
const flow = new FlowKeys(parseFlowId(UUID), COUNT)
const indexes = new PartitionIndexKeys(INDEX)
const budget = new BudgetKeys(parseBudgetId(UUID), 8)
const quota = new QuotaKeys(5)

const waitpointId = mintWaitpointId(INDEX)
const entryId = mintEntryId(INDEX)
const edgeId = mintEdgeId()
const instanceId = mintInstanceId()
const quotaId = mintQuotaId()
const webhookId = mintWebhookId()

/** Every method of every context; a new one that isn't here fails the test that counts them. */
const contexts = [
  {
    context: execution,
    tag: '{fp:19}',
    keys: {
      core: execution.core(),
      input: execution.input(),
      result: execution.result(),
      journal: execution.journal(),
      upstream: execution.upstream(),
      suspension: execution.suspension(),
      waitpoints: execution.waitpoints(),
      waitpoint: execution.waitpoint(waitpointId),
      signals: execution.signals(waitpointId),
      signalKeys: execution.signalKeys(waitpointId),
      attempt: execution.attempt(0),
      stream: execution.stream(),
      cappedStream: execution.cappedStream(),
      streamHeads: execution.streamHeads(),
    },
  },
  {
    context: flow,
    tag: '{fp:19}',
    keys: {
      core: flow.core(),
      members: flow.members(),
      names: flow.names(),
      edge: flow.edge(edgeId),
      out: flow.out(executionId),
      in: flow.in(executionId),
      edgegroup: flow.edgegroup(executionId),
      summary: flow.summary(),
    },
  },
  {
    context: indexes,
    tag: '{fp:19}',
    keys: {
      routes: indexes.routes(),
      ready: indexes.ready(3),
      readyOfAdmissionKey: indexes.readyOfAdmissionKey(3, 'a{b}c'),
      admissionKeys: indexes.admissionKeys(3),
      parked: indexes.parked(),
      timers: indexes.timers(),
      listing: indexes.listing(namespace, 'waiting'),
      counts: indexes.counts(namespace),
      lane: indexes.lane(namespace, lane),
      instance: indexes.instance(instanceId),
      flowIndex: indexes.flowIndex(),
      pendingCancelGroups: indexes.pendingCancelGroups(),
      cancelBacklog: indexes.cancelBacklog(),
      completions: indexes.completions(),
      completion: indexes.completion(entryId),
      retention: indexes.retention(),
      events: indexes.events(),
      sequence: indexes.sequence(),
      hints: indexes.hints(),
    },
  },
  {
    context: budget,
    tag: '{b:3}',
    keys: {
      core: budget.core(),
      usage: budget.usage(),
      reservations: budget.reservations(),
      ledger: budget.ledger(),
      reportKeys: budget.reportKeys(),
      waiters: budget.waiters(),
      index: budget.index(),
      resets: budget.resets(),
    },
  },
  {
    context: quota,
    tag: '{q:5}',
    keys: {
      core: quota.core(quotaId),
      window: quota.window(quotaId, '{fp:1}'),
      holders: quota.holders(quotaId, '{fp:1}'),
      waiters: quota.waiters(quotaId, '{fp:1}'),
      lane: quota.lane(namespace, lane),
      idempotencyKey: quota.idempotencyKey(namespace, 'a {b} c'),
      schedule: quota.schedule(namespace, mintScheduleId()),
      schedulesDue: quota.schedulesDue(),
      schedulesByLabel: quota.schedulesByLabel(namespace),
      operation: quota.operation(namespace, mintOperationId()),
      operationsDue: quota.operationsDue(),
      operationsByTime: quota.operationsByTime(namespace),
      webhook: quota.webhook(namespace, webhookId),
      webhooksDue: quota.webhooksDue(),
      webhooksByTime: quota.webhooksByTime(namespace),
      tokens: quota.tokens(),
      tokensOver: quota.tokensOver(),
      namespaces: quota.namespaces(),
      worker: quota.worker(instanceId),
      engine: quota.engine(instanceId),
      keyring: quota.keyring(),
      audit: quota.audit(),
      timers: quota.timers(),
      lanesToSync: quota.lanesToSync(),
    },
  },
]

describe.each(contexts)('keys of $tag in $context.constructor.name', ({ context, tag, keys }) => {
  it('are all listed in this test', () => {
    const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(context)).filter(
      (name) => name !== 'constructor',
    )
    expect(Object.keys(keys)).toEqual(methods)
  })

  it.each(Object.entries(keys))('%s begins with ff: and hashes by its partition', (_, key) => {
    expect(key.startsWith('ff:')).toBe(true)
    expect(/\{[^}]*\}/.exec(key)?.[0]).toBe(tag)
  })
})

describe('keys', () => {
  it('are never two things at once', () => {
    const all = contexts.flatMap(({ keys }) => Object.values(keys))
    expect(new Set(all).size).toBe(all.length)
  })

  it('keep the families that people know', () => {
    expect(execution.core()).toBe(`ff:exec:{fp:19}:${UUID}:core`)
    expect(execution.core()).toBe(`ff:exec:${executionId}:core`)
    expect(execution.attempt(2)).toBe(`ff:attempt:{fp:19}:${UUID}:2`)
    expect(execution.stream()).toBe(`ff:stream:{fp:19}:${UUID}`)
    expect(flow.core()).toBe(`ff:flow:{fp:19}:${UUID}:core`)
    expect(flow.edge(edgeId)).toBe(`ff:flow:{fp:19}:${UUID}:edge:${edgeId}`)
    expect(flow.edgegroup(executionId)).toBe(`ff:flow:{fp:19}:${UUID}:edgegroup:${UUID}`)
    expect(indexes.flowIndex()).toBe('ff:idx:{fp:19}:flow_index')
    expect(indexes.pendingCancelGroups()).toBe('ff:idx:{fp:19}:pending_cancel_groups')
    expect(indexes.completion(entryId)).toBe(`ff:idx:{fp:19}:completion:${uuidOf(entryId)}`)
    expect(budget.core()).toBe(`ff:budget:{b:3}:${UUID}:core`)
  })

  it('of names with colons do not collide', () => {
    const [a, aB, bC, c] = ['a', 'a:b', 'b:c', 'c'] as const
    expect(indexes.lane(parseNamespace(a), parseLaneId(bC))).not.toBe(
      indexes.lane(parseNamespace(aB), parseLaneId(c)),
    )
  })

  it('refuse ids of another partition', () => {
    const mismatch = expect.objectContaining({ code: 'partition_mismatch' })
    expect(() => flow.out(foreignId)).toThrowError(mismatch)
    expect(() => flow.in(foreignId)).toThrowError(mismatch)
    expect(() => flow.edgegroup(foreignId)).toThrowError(mismatch)
    expect(() => execution.waitpoint(mintWaitpointId(0))).toThrowError(mismatch)
    expect(() => indexes.completion(mintEntryId(0))).toThrowError(mismatch)
    expect(() => new PartitionIndexKeys(65_536)).toThrowError(
      expect.objectContaining({ code: 'partition_out_of_range' }),
    )
  })
})
