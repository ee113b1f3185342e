import {
  limits,
  makePartitionTag,
  mintApiToken,
  mintOperationId,
  mintScheduleId,
  mintUuid,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { createTestBackend, type TestBackend } from '../../support/backends.js'
import { bytesOf } from '../../support/builders.js'
import { cleanUp } from '../../support/clean-up.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { SuspensionDriver } from '../../support/suspension-driver.js'
import { inNamespace, type TestStore } from '../../support/use-store.js'
import { WebhookDriver } from '../../support/webhook-driver.js'
import { WorkerDriver } from '../../support/worker-driver.js'

/** What remains when everything is trimmed: the partitions, the deployment, and answers that go by themselves. */
const lasting = /:meta$|:deployment:|:req:|:served:/

async function withStore(work: (store: TestStore, opened: TestBackend) => Promise<void>): Promise<void> {
  const opened = await createTestBackend({ name: 'valkey' })
  try {
    await work(inNamespace(opened, parseNamespace('leaks')), opened)
  } finally {
    await opened.close()
  }
}

async function keysLeft({ inside }: TestBackend): Promise<readonly string[]> {
  if (!('keys' in inside)) throw new Error('not a Valkey store')
  return (await inside.keys()).filter((key) => !lasting.test(key))
}

describe('what is trimmed', () => {
  it('leaves nothing of solo executions, however they ended', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace } = store
      const worker = new WorkerDriver(store)
      const large = store.aSolo({ input: new Uint8Array(5_000), idempotencyKey: 'k' })
      const retried = store.aSolo({ lane: parseLaneId('other'), tags: { 'a.b': 'c' } })
      const cancelled = store.aSolo({ timeouts: { deadlineMs: 60_000 } })
      await backend.executions.submit({ namespace, items: [large, retried, cancelled] })
      await backend.executions.cancel({ namespace, id: cancelled.id })
      const first = await worker.claimOne({ lanes: [large.lane], max: 1 })
      await worker.step(first.handle, 'paid', 'receipt')
      await worker.emit(first.handle, 0, ['a', 'b'])
      await worker.emit(first.handle, 2, ['{"a":1}'], { mode: 'summary' })
      await backend.leases.complete({
        namespaces: [namespace],
        items: [{ handle: first.handle, result: new Uint8Array(5_000) }],
      })
      await backend.executions.replay({ namespace, id: large.id, input: bytesOf('new') })
      for (let n = 0; n < 2; n += 1) {
        const [lease] = await worker.claim({ lanes: [retried.lane] })
        if (lease === undefined) continue
        await worker.emit(lease.handle, 0, ['a'], { mode: 'best_effort' })
        await worker.fail(lease.handle, { retry: n === 0 ? { afterMs: 0 } : 'never' })
      }
      await worker.complete((await worker.claimOne({ lanes: [large.lane] })).handle)
      await store.settle()
      expect(await keysLeft(opened)).not.toEqual([])
      await cleanUp(backend, store.partitions)
      await store.settle()
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it('leaves nothing of a schedule that was deleted, but what it started', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace } = store
      const scheduleId = mintScheduleId()
      const spec = { kind: parseKind('work'), lane: parseLaneId('solos'), input: null, retentionMs: 0 }
      const put = (label: string) =>
        backend.schedules.put({
          namespace,
          scheduleId,
          label,
          timing: { kind: 'interval', everyMs: 60_000 },
          work: { kind: 'execution', spec },
          overlap: 'buffer_all',
        })
      await put('before')
      await put('after')
      await store.advance(300_000)
      await backend.schedules.fireDue({ partition: makePartitionTag('quota', 0), max: 100 })
      await backend.schedules.trigger({ namespace, scheduleId, triggerKey: 'one' })
      await backend.schedules.pause({ namespace, scheduleId, paused: true })
      const { items } = await backend.executions.list({ namespace })
      for (const { id } of items) await backend.executions.cancel({ namespace, id })
      await store.settle()
      await cleanUp(backend, store.partitions)
      expect((await keysLeft(opened)).filter((key) => !/schedule/.test(key))).toEqual([])
      expect(await keysLeft(opened)).not.toEqual([])
      await backend.schedules.delete({ namespace, scheduleId })
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it('leaves nothing of a bulk operation that ended long ago', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace } = store
      const { operations } = backend
      const scan = { partition: makePartitionTag('quota', 0), max: 100 }
      for (const end of ['run', 'stop'] as const) {
        const name = { namespace, operationId: mintOperationId() }
        await operations.create({ ...name, work: { kind: 'cancel', filter: {} } })
        await operations.pause(name)
        await operations.resume(name)
        if (end === 'run') await operations.advance(scan)
        else await operations.stop(name)
      }
      expect(await keysLeft(opened)).not.toEqual([])
      await store.advance(limits.operationRetentionMs)
      await operations.advance(scan)
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it.each([1, 40, 250])('leaves nothing of a flow of %i upstreams and a join', async (size) => {
    await withStore(async (store, opened) => {
      const names = Array.from({ length: size }, (_, n) => `n${n}`)
      const plan = {
        ...Object.fromEntries(names.map((name) => [name, {}])),
        join: { after: Object.fromEntries(names.map((name) => [name, name])) },
      }
      const flow = await FlowDriver.submit(store, plan)
      await flow.start('n0')
      await new WorkerDriver(store).emit(flow.lease('n0').handle, 0, ['{"a":1}'], { mode: 'summary' })
      await flow.cancel('cancel_all')
      await store.settle()
      expect((await flow.flow()).state).toBe('cancelled')
      await cleanUp(store.backend, store.partitions)
      await store.settle()
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it('leaves nothing of suspensions, signals, parents and children, however they ended', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace, partitions } = store
      const driver = new SuspensionDriver(store)
      const timeout = { afterMs: 1_000, behaviour: 'auto_resume_with_timeout_signal' } as const
      const resumed = await driver.suspended({ timeout }, { lane: parseLaneId('one') })
      const unused = await driver.waitpoint(resumed.id, 'unused')
      await driver.signal(unused, { payload: 'early' })
      await driver.signal(resumed.waitpointId, { payload: '{}' })
      await driver.suspended({ timeout }, { lane: parseLaneId('two') })
      const forked = await driver.suspended({}, { lane: parseLaneId('three') })
      await driver.signal(forked.waitpointId)
      await backend.executions.cancel({ namespace, id: forked.id })
      await backend.executions.replay({ namespace, id: forked.id, input: bytesOf('other') })
      const parent = await driver.active({ lane: parseLaneId('parent') })
      const child = store.aSolo({ parent: { id: parent.id, detached: false } })
      await backend.executions.submit({ namespace, items: [child] })
      const flow = await FlowDriver.submit(store, { a: {} })
      const children = [child.id, flow.flowId, store.aSolo().id].map((id) => ({ kind: 'child', id }) as const)
      await driver.suspend(parent, { condition: { kind: 'all_of', of: children } })
      await store.settle()
      await backend.executions.cancel({ namespace, id: parent.id })
      await flow.cancel('cancel_all')
      await store.advance(1_000)
      await store.settle()
      for (const { id } of (await backend.executions.list({ namespace })).items) {
        await backend.executions.cancel({ namespace, id })
      }
      await store.settle()
      const kinds = (await keysLeft(opened)).map((key) => key.replace(/^.*:/, ''))
      expect(kinds).toEqual(
        expect.arrayContaining(['waitpoints', 'signals', 'signal_index', 'signal_keys', 'children']),
      )
      await cleanUp(backend, partitions)
      await store.settle()
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it('leaves nothing of what quotas and budgets were asked for, but themselves', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace, partitions } = store
      const driver = new AdmissionDriver(store)
      const quotaId = await driver.quota({ concurrency: 1, rate: { units: 5, windowMs: 1_000 } })
      const budgetId = await driver.budget(10)
      const demands = { quotas: [{ quotaId, key: 'k' }], budgets: [{ budgetId, estimate: { tokens: 5 } }] }
      const items = Array.from({ length: 4 }, () => store.aSolo(demands))
      await backend.executions.submit({ namespace, items })
      const { handle } = await driver.worker.claimOne({ max: 4 })
      expect(await driver.readQuota('k', quotaId)).toMatchObject({ held: 1, waiting: 1 })
      await driver.acquire(handle)
      await driver.spend(handle, 3)
      await driver.worker.fail(handle)
      await store.settle()
      for (const { id } of items) await backend.executions.cancel({ namespace, id })
      await store.settle()
      await cleanUp(backend, partitions)
      await store.settle()
      await store.advance(limits.idempotencyTtlMs)
      await driver.quotas.reconcile({ partition: driver.quotaPartition('k'), max: 100 })
      const own = /:quota:|:quotas:|:budget:[^:]*:[^:]*$|:budgets:|:reports$|:reported$|:reviews$/
      expect((await keysLeft(opened)).filter((key) => !own.test(key.replace(/\{[^}]*\}/, '')))).toEqual([])
      expect(await driver.readBudget()).toMatchObject({ used: { tokens: 3 }, reserved: {}, waiting: 0 })
    })
  })

  it('leaves nothing of a webhook that was deleted', async () => {
    await withStore(async (store, opened) => {
      const webhook = await WebhookDriver.put(store)
      await webhook.pass()
      const [key] = (await keysLeft(opened)).filter((each) => each.endsWith(webhook.id))
      expect(key).toBeDefined()
      await opened.backend.webhooks.delete(webhook.name)
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it('leaves nothing of tokens that ended and of old actions', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace, partitions } = store
      const { id, hash } = mintApiToken()
      const expiresAtMs = (await store.nowMs()) + 1_000
      const token = { id, label: '', scopes: ['read'], namespaces: null, lanes: null, expiresAtMs } as const
      await backend.access.put({ kind: 'token', token, hash })
      await backend.access.revoke({ tokenId: id })
      const entry = { actor: 'a', action: 'b', subjects: ['c'], reason: null, outcome: 'd' }
      await backend.audit.append({ ...entry, actionId: mintUuid(), namespace })
      expect(await keysLeft(opened)).not.toEqual([])
      await store.advance(limits.auditAgeMsMax)
      await cleanUp(backend, partitions)
      expect(await keysLeft(opened)).toEqual([])
    })
  })

  it('leaves no route of what was only refused', async () => {
    await withStore(async (store, opened) => {
      const { backend, namespace } = store
      const solo = store.aSolo()
      await backend.lanes.setState({ namespace, lane: solo.lane, state: 'disabled' })
      await backend.executions.submit({ namespace, items: [solo] })
      expect((await keysLeft(opened)).filter((key) => key.endsWith(':routes'))).toEqual([])
    })
  })
})
