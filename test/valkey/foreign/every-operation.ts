import {
  type AppendAudit,
  type CreateOperation,
  type ExecutionId,
  type FlowId,
  hashTokenSecret,
  isEngineError,
  makePartitionTag,
  mintFlowId,
  mintInstanceId,
  mintOperationId,
  mintScheduleId,
  mintTokenId,
  mintUuid,
  mintWebhookId,
  type PutAccess,
  type PutSchedule,
  type PutWebhook,
  parseKind,
  parseLaneId,
  parseWorkerId,
  type TokenId,
  type WaitpointId,
} from '@flowfabric/core'
import { bytesOf, steadyRetry, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { onSignal, SuspensionDriver, type Waiting } from '../../support/suspension-driver.js'
import type { TestStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

/** What a store holds of everything that there is, for `everyOperation` to ask for. */
export interface Populated {
  readonly store: TestStore
  readonly worker: WorkerDriver
  readonly ids: Readonly<Record<'waiting' | 'delayed' | 'leased' | 'ended', ExecutionId>>
  readonly handle: string
  readonly flow: FlowDriver
  readonly draft: FlowId
  readonly schedule: PutSchedule
  readonly operation: CreateOperation
  readonly webhook: PutWebhook
  readonly suspensions: Suspensions
}

/** What waits, what is about to, and what was resumed: each with a parent's or a child's part. */
export interface Suspensions {
  readonly driver: SuspensionDriver
  readonly suspended: Waiting & { readonly waitpointId: WaitpointId }
  readonly active: Waiting & { readonly waitpointId: WaitpointId }
  readonly resumed: Waiting & { readonly waitpointId: WaitpointId }
  /** They wait for the end of a child: an execution, a flow. */
  readonly parents: readonly Waiting[]
  readonly child: ExecutionId
  readonly childFlow: FlowDriver
}

async function populateSuspensions(store: TestStore): Promise<Suspensions> {
  const driver = new SuspensionDriver(store)
  const lane = parseLaneId('suspending')
  const suspended = await driver.suspended({}, { lane })
  const resumed = await driver.suspended({}, { lane })
  await driver.signal(resumed.waitpointId, { payload: long })
  const active = await driver.active({ lane: parseLaneId('about-to-suspend') })
  const waitpointId = await driver.waitpoint(active.id)
  await driver.signal(waitpointId, { name: 'early' })
  const parents = [
    await driver.active({ lane: parseLaneId('parent') }),
    await driver.active({ lane: parseLaneId('parent-of-flow') }),
  ] as const
  const child = store.aSolo({ lane: parseLaneId('child'), parent: { id: parents[0].id, detached: false } })
  await store.backend.executions.submit({ namespace: store.namespace, items: [child] })
  const childFlow = await FlowDriver.submit(store, { a: {} })
  await driver.suspend(parents[0], { condition: { kind: 'child', id: child.id } })
  await driver.suspend(parents[1], { condition: { kind: 'child', id: childFlow.flowId } })
  return {
    driver,
    suspended,
    active: { ...active, waitpointId },
    resumed,
    parents,
    child: child.id,
    childFlow,
  }
}

const long = 'x'.repeat(2_000)

/** A bit of each kind, so that each kind of key is there. */
export async function populate(store: TestStore): Promise<Populated> {
  const { backend, namespace } = store
  const worker = new WorkerDriver(store)
  const { kinds, lanes, workerId, capabilities } = worker.request()
  const schedule = aSchedule(namespace)
  await backend.schedules.put(schedule)
  await backend.schedules.trigger({ ...schedule, triggerKey: 'first' })
  // A tick of it is due from here on.
  await store.advance(1_000)
  const operation = anOperation(namespace)
  await submitOne(store, { lane: parseLaneId('bulk') })
  await backend.operations.create(operation)
  const webhook = aWebhook(namespace)
  await backend.webhooks.put(webhook)
  await backend.lanes.configure({
    namespace,
    lane: parseLaneId('solos'),
    settings: { concurrency: 5, eventLevel: 'all' },
  })
  await backend.workers.register({
    namespaces: [namespace],
    workerId,
    lanes,
    kinds,
    capabilities,
    concurrency: 4,
    instanceId: worker.instanceId,
  })
  await backend.engines.heartbeat({ engineId: mintInstanceId(), label: 'engine' })
  await backend.keyring.add({ keyId: 'k1', fingerprint })
  await backend.access.put(aToken(mintTokenId()))
  await backend.access.put({ kind: 'namespace', namespace: { namespace, label: 'one', accepting: true } })
  await backend.audit.append(anAction())
  const leased = await submitOne(store, { input: bytesOf(long), retry: steadyRetry({ initialMs: 0 }) })
  await worker.fail((await worker.claimOne()).handle)
  const { handle } = await worker.claimOne()
  await worker.step(handle, 'a step', 'its result')
  await worker.progress(handle, 10)
  await worker.emit(handle, 0, ['a durable frame'])
  await worker.emit(handle, 1, ['{"a":1}'], { mode: 'summary' })
  const ended = await submitOne(store, { priority: 1 })
  await worker.complete((await worker.claimOne()).handle, long)
  const waiting = await submitOne(store, { idempotencyKey: 'key', tags: { 'a.b': 'c' } })
  const delayed = await submitOne(store, { delayMs: 60_000 })
  const flow = await FlowDriver.submit(store, { a: {}, b: { after: ['a'] }, c: { after: ['a', 'b'] } })
  await flow.start('a')
  const draft = mintFlowId()
  await backend.flows.createDraft({ namespace, flowId: draft })
  await new FlowDriver(store, draft).extend({ a: {} })
  const suspensions = await populateSuspensions(store)
  await store.settle()
  const ids = { waiting, delayed, leased, ended }
  return { store, worker, ids, handle, flow, draft, schedule, operation, webhook, suspensions }
}

/** In the lane of what is claimed one by one, but of a kind that nobody serves. */
function aSchedule(namespace: PutSchedule['namespace']): PutSchedule {
  const spec = { kind: parseKind('scheduled'), lane: parseLaneId('solos'), input: null }
  return {
    namespace,
    scheduleId: mintScheduleId(),
    label: 'every second',
    timing: { kind: 'interval', everyMs: 1_000 },
    work: { kind: 'execution', spec },
  }
}

function aWebhook(namespace: PutWebhook['namespace']): PutWebhook {
  return { namespace, webhookId: mintWebhookId(), url: 'https://example.org', keyId: 'k1' }
}

/** Of what no other operation here asks for. */
function anOperation(namespace: CreateOperation['namespace']): CreateOperation {
  return {
    namespace,
    operationId: mintOperationId(),
    work: { kind: 'cancel', filter: { lane: parseLaneId('bulk') } },
  }
}

const fingerprint = hashTokenSecret('a secret')

function aToken(id: TokenId): PutAccess {
  const token = { id, label: 'a', scopes: ['read'], namespaces: null, lanes: null, expiresAtMs: 1 } as const
  return { kind: 'token', token, hash: fingerprint }
}

function anAction(): AppendAudit {
  const actionId = mintUuid()
  return {
    actionId,
    namespace: null,
    actor: 'someone',
    action: 'keyring.add',
    subjects: ['k1'],
    reason: null,
    outcome: null,
  }
}

/** Calls whatever there is to call. Reading comes first, and what ends things last. */
export async function everyOperation(populated: Populated): Promise<readonly Told[]> {
  const { store, worker, ids, handle, flow, draft, schedule, operation, webhook } = populated
  const { backend, namespace, partitions } = store
  const { executions, leases, attempts, flows, lanes, workers, engines, events, resolution } = backend
  const { streams, schedules, operations, webhooks, keyring, access, audit, maintenance } = backend
  const quotas = makePartitionTag('quota', 0)
  const scope = { namespaces: [namespace] }
  const [partition] = partitions as [(typeof partitions)[number]]
  const scan = { partition, max: 100 }
  const each = Object.values(ids)
  const { flowId } = flow
  const { workerId, instanceId, lanes: served, kinds, capabilities } = worker.request()
  const lane = parseLaneId('solos')
  const registration = { ...scope, workerId, lanes: served, kinds, capabilities, concurrency: 4, instanceId }
  const told: Told[] = []
  const call = async (operation: string, run: () => Promise<unknown>) => {
    told.push({ operation, ...(await tell(run)) })
  }

  for (const id of each) {
    await call('executions.get', () => executions.get({ namespace, id }))
    await call('executions.explainFacts', () => executions.explainFacts({ namespace, id }))
    await call('attempts.list', () => attempts.list({ namespace, executionId: id }))
    await call('attempts.loadSteps', () => attempts.loadSteps({ namespace, executionId: id }))
    await call('streams.tail', () => streams.tail({ namespace, executionId: id, acrossAttempts: true }))
    await call('streams.readSummary', () => streams.readSummary({ namespace, executionId: id }))
  }
  await call('executions.getResult', () => executions.getResult({ namespace, ids: each }))
  await call('executions.list', () => executions.list({ namespace }))
  await call('executions.list of a state', () =>
    executions.list({ namespace, filter: { states: ['completed'] } }),
  )
  await call('executions.count', () => executions.count({ namespace, filter: {} }))
  await call('flows.get', () => flows.get({ namespace, flowId }))
  await call('flows.getGraph', () => flows.getGraph({ namespace, flowId }))
  await call('flows.getResult', () => flows.getResult({ namespace, flowId }))
  await call('flows.list', () => flows.list({ namespace }))
  await call('lanes.list', () => lanes.list({ namespace }))
  await call('schedules.get', () => schedules.get(schedule))
  await call('schedules.list', () => schedules.list({ namespace }))
  await call('operations.get', () => operations.get(operation))
  await call('operations.list', () => operations.list({ namespace }))
  await call('webhooks.get', () => webhooks.get(webhook))
  await call('webhooks.list', () => webhooks.list({ namespace }))
  await call('webhooks.listDeliveries', () => webhooks.listDeliveries(webhook))
  await call('workers.list', () => workers.list({ namespace }))
  await call('engines.list', () => engines.list())
  await call('keyring.list', () => keyring.list())
  await call('access.listTokens', () => access.listTokens({}))
  await call('access.listNamespaces', () => access.listNamespaces({}))
  await call('access.getNamespace', () => access.getNamespace({ namespace }))
  await call('audit.list', () => audit.list({}))
  await call('events.read', () => events.read({ namespace, from: 'oldest' }))
  await call('maintenance.pulse', () => maintenance.pulse({ partitions }))
  await call('maintenance.pulse of quotas', () => maintenance.pulse({ partitions: [quotas] }))
  await call('maintenance.describe', () => maintenance.describe())

  await call('maintenance.prepare', () => maintenance.prepare())
  await call('executions.submit', () =>
    executions.submit({ namespace, items: [store.aSolo(), store.aSolo({ idempotencyKey: 'key' })] }),
  )
  await call('executions.submit again', () =>
    executions.submit({ namespace, items: each.map((id) => store.aSolo({ id })) }),
  )
  await call('flows.submit', () => new FlowDriver(store).submit({ a: {}, b: { after: ['a'] } }))
  await call('flows.submit again', () => flow.submit({ a: {}, b: { after: ['a'] } }))
  await call('flows.extend', () => flow.extend({ d: { after: ['c'] } }))
  await call('flows.extend of a draft', () => new FlowDriver(store, draft).extend({ b: {} }))
  await call('flows.seal', () => flows.seal({ namespace, flowId: draft }))
  await call('executions.setTags', () =>
    executions.setTags({ namespace, id: ids.delayed, set: { 'c.d': 'e' } }),
  )
  await call('executions.changePriority', () =>
    executions.changePriority({ namespace, id: ids.waiting, priority: 7 }),
  )
  await call('executions.hold', () => executions.hold({ namespace, id: ids.delayed, reason: 'a test' }))
  await call('executions.release', () => executions.release({ namespace, id: ids.delayed }))
  await call('lanes.configure', () => lanes.configure({ namespace, lane, settings: { concurrency: 6 } }))
  await call('lanes.setState', () => lanes.setState({ namespace, lane, state: 'active', reason: 'a test' }))
  await call('schedules.put', () => schedules.put({ ...schedule, label: 'other' }))
  await call('schedules.put another', () => schedules.put(aSchedule(namespace)))
  await call('schedules.trigger', () => schedules.trigger({ ...schedule, triggerKey: 'second' }))
  await call('schedules.fireDue', () => schedules.fireDue({ partition: quotas, max: 10 }))
  await call('schedules.pause', () => schedules.pause({ ...schedule, paused: true }))
  await call('operations.create', () => operations.create(anOperation(namespace)))
  await call('operations.create again', () => operations.create(operation))
  await call('operations.pause', () => operations.pause(operation))
  await call('operations.resume', () => operations.resume(operation))
  await call('operations.advance', () => operations.advance({ partition: quotas, max: 10 }))
  await call('operations.stop', () => operations.stop(operation))
  await call('workers.heartbeat', () => workers.heartbeat({ ...scope, instanceId, active: 1 }))
  await call('engines.heartbeat', () => engines.heartbeat({ engineId: mintInstanceId(), label: 'other' }))

  const token = mintTokenId()
  const action = anAction()
  await call('keyring.add', () => keyring.add({ keyId: 'k2', fingerprint }))
  await call('keyring.retire', () => keyring.retire({ keyId: 'k1', verifyUntilMs: 0 }))
  await call('access.put of a token', () => access.put(aToken(token)))
  await call('access.verify', () => access.verify({ tokenId: token, hash: fingerprint }))
  if (told.some(({ operation, codes }) => operation === 'access.put of a token' && codes.length === 0))
    await call('access.revoke', () => access.revoke({ tokenId: token }))
  await call('access.put of a namespace', () =>
    access.put({ kind: 'namespace', namespace: { namespace, label: 'two', accepting: true } }),
  )
  await call('audit.append', () => audit.append(action))
  await call('audit.append again', () => audit.append({ ...action, outcome: 'added' }))

  await call('leases.claim', () => leases.claim(worker.request()))
  await call('leases.claim of the flow', () =>
    leases.claim(
      worker.request({ lanes: [flow.lane], kinds: [parseKind('b')], workerId: parseWorkerId('w') }),
    ),
  )
  await call('leases.renew', () => leases.renew({ ...scope, items: [{ handle, leaseTtlMs: 30_000 }] }))
  await call('attempts.recordStep', () =>
    attempts.recordStep({ ...scope, items: [{ handle, name: 'another', type: 'step', result: null }] }),
  )
  await call('streams.append', () =>
    streams.append({
      ...scope,
      items: (['durable', 'summary', 'best_effort'] as const).map((mode, place) => ({
        handle,
        mode,
        frameNumber: 2 + place,
        frame: bytesOf('{}'),
      })),
    }),
  )
  await call('attempts.recordProgress', () =>
    attempts.recordProgress({ ...scope, items: [{ handle, percent: 20 }] }),
  )
  await call('leases.complete', () =>
    leases.complete({ ...scope, items: [{ handle: flow.lease('a').handle, result: bytesOf(long) }] }),
  )
  await call('leases.fail', () =>
    leases.fail({ ...scope, items: [{ handle, failure: { category: 'error', message: 'no' } }] }),
  )
  await call('schedules.delete', () => schedules.delete(schedule))
  await callSuspensions(populated, call)
  await call('executions.cancel', () => executions.cancel({ namespace, id: ids.waiting, reason: 'a test' }))
  await call('executions.replay', () => executions.replay({ namespace, id: ids.ended }))
  await call('flows.cancel', () =>
    flows.cancel({ namespace, flowId, reason: 'a test', policy: 'cancel_all' }),
  )
  await store.advance(120_000).catch(() => {})
  await call('maintenance.drainTimers', () => maintenance.drainTimers(scan))
  await call('resolution.dispatchCompletions', () => resolution.dispatchCompletions(scan))
  await call('resolution.drainSiblingCancels', () => resolution.drainSiblingCancels(scan))
  await call('resolution.reconcileSiblingCancels', () => resolution.reconcileSiblingCancels(scan))
  await call('resolution.drainCancelBacklog', () => resolution.drainCancelBacklog(scan))
  await call('resolution.reconcileDependencies', () => resolution.reconcileDependencies(scan))
  await call('maintenance.upkeep', () => maintenance.upkeep(scan))
  await call('maintenance.reconcileIndexes', () => maintenance.reconcileIndexes(scan))
  await call('workers.register', () => workers.register(registration))
  await store.advance(90_000_000).catch(() => {})
  await call('maintenance.trimRetention', () => maintenance.trimRetention(scan))
  return told
}

type Call = (operation: string, run: () => Promise<unknown>) => Promise<void>

async function callSuspensions({ store, suspensions }: Populated, call: Call): Promise<void> {
  const { namespace, backend } = store
  const { driver, suspended, active, resumed, parents, child, childFlow } = suspensions
  const { operations } = driver
  const each = [suspended, active, resumed, ...parents]
  for (const { id } of each) {
    await call('suspensions.listWaitpoints', () => operations.listWaitpoints({ namespace, executionId: id }))
    await call('suspensions.listSignals', () => operations.listSignals({ namespace, executionId: id }))
    await call('executions.explainFacts of what waits', () =>
      backend.executions.explainFacts({ namespace, id }),
    )
  }
  const { waitpointId } = active
  await call('suspensions.listSignals of a waitpoint', () =>
    operations.listSignals({ namespace, executionId: active.id, waitpointId }),
  )
  await call('suspensions.findWaitpoint', () => operations.findWaitpoint({ waitpointId }))
  await call('suspensions.createWaitpoint', () => driver.create(active.id, { name: 'another' }))
  await call('suspensions.closeWaitpoint', () =>
    operations.closeWaitpoint({ namespace, waitpointId: resumed.waitpointId }),
  )
  await call('suspensions.deliverSignal early', () => driver.signal(waitpointId))
  await call('suspensions.suspend', () =>
    driver.suspend(active, { condition: onSignal(waitpointId, { name: 'other' }) }),
  )
  await call('suspensions.deliverSignal', () => driver.signal(suspended.waitpointId))
  await call('leases.claim of what was resumed', () => backend.leases.claim(resumed.worker.request()))
  await call('leases.claim of a child', () =>
    new WorkerDriver(store, { lanes: [parseLaneId('child')] }).claim(),
  )
  await call('executions.cancel of a child', () => backend.executions.cancel({ namespace, id: child }))
  await call('flows.cancel of a child', () => childFlow.cancel('cancel_all'))
  for (const partition of store.partitions) {
    await call('resolution.dispatchCompletions to parents', () =>
      backend.resolution.dispatchCompletions({ partition, max: 100 }),
    )
  }
  for (const { id } of each) {
    await call('executions.cancel of what waits', () => backend.executions.cancel({ namespace, id }))
  }
}

export interface Told {
  readonly operation: string
  /** Codes of its error, or of its items' errors. */
  readonly codes: readonly string[]
  /** What is no typed error at all. */
  readonly strange: string | undefined
}

async function tell(run: () => Promise<unknown>): Promise<Omit<Told, 'operation'>> {
  try {
    return { codes: codesIn(await run()), strange: undefined }
  } catch (error) {
    if (isEngineError(error)) return { codes: [error.code], strange: undefined }
    return { codes: [], strange: String(error) }
  }
}

/** Codes of errors anywhere in an answer; `corrupt` lists edges that could not be resolved. */
function codesIn(answer: unknown): string[] {
  if (isEngineError(answer)) return [answer.code]
  if (typeof answer !== 'object' || answer === null || answer instanceof Uint8Array) return []
  const { outcome, code, corrupt } = answer as Readonly<Record<string, unknown>>
  return [
    ...(outcome === 'error' && typeof code === 'string' ? [code] : []),
    ...(Array.isArray(corrupt) && corrupt.length > 0 ? ['corruption'] : []),
    ...Object.values(answer).flatMap(codesIn),
  ]
}
