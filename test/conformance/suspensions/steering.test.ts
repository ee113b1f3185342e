import { type ExecutionId, parseKind } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, codeOf, readOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const dayMs = 86_400_000

describe('an execution that is suspended', () => {
  const store = useStore()

  const attemptsOf = async (executionId: ExecutionId) =>
    (await store().backend.attempts.list({ namespace: store().namespace, executionId })).items

  it('is cancelled at once, and takes no more signals', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id, waitpointId } = await driver.suspended()
    expect(await backend.executions.cancel({ namespace, id, graceMs: 60_000 })).toEqual({
      outcome: 'cancelled',
    })
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'cancelled', cancelCause: 'operator' })
    expect(await attemptsOf(id)).toMatchObject([{ state: 'ended_cancelled', endedBy: 'cancel' }])
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
    const { suspension } = await backend.executions.explainFacts({ namespace, id })
    expect(suspension).toBeNull()
  })

  it('expires at its deadline', async () => {
    const driver = new SuspensionDriver(store())
    const { id } = await driver.suspended({}, { timeouts: { deadlineMs: 60_000 } })
    await store().pass(60_000)
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'expired',
      failure: { category: 'deadline' },
    })
    expect(await attemptsOf(id)).toMatchObject([{ state: 'ended_cancelled', endedBy: 'deadline' }])
  })

  it('knows no queue time-to-live and no attempt timeout', async () => {
    const driver = new SuspensionDriver(store())
    const timeouts = { queueTtlMs: 1_000, attemptTimeoutMs: 1_000 }
    const { id } = await driver.suspended({}, { timeouts })
    await store().pass(60_000)
    expect((await readOne(store(), id)).publicState).toBe('suspended')
  })

  it('may be held meanwhile, and waits for its release once it is resumed', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    expect(await backend.executions.hold({ namespace, id })).toEqual({ outcome: 'held' })
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'suspended', held: true })
    expect((await driver.signal(waitpointId)).outcome).toBe('satisfied')
    expect(await readOne(store(), id)).toMatchObject({
      publicState: 'waiting',
      state: { eligibilityState: 'blocked_by_operator', attemptState: 'attempt_interrupted' },
    })
    expect(await worker.claim()).toEqual([])
    expect(await backend.executions.release({ namespace, id })).toEqual({ outcome: 'released' })
    expect((await readOne(store(), id)).publicState).toBe('resumable')
    expect((await worker.claimOne()).resumption?.by).toBe('condition')
  })

  it('goes on waiting when a hold on it is lifted', async () => {
    const { backend, namespace } = store()
    const { id } = await new SuspensionDriver(store()).suspended()
    await backend.executions.hold({ namespace, id })
    expect(await backend.executions.release({ namespace, id })).toEqual({ outcome: 'released' })
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'suspended', held: false })
    expect(await backend.executions.release({ namespace, id })).toEqual({ outcome: 'not_held' })
  })

  it('is not replayed, revoked or handed out', async () => {
    const { backend, namespace } = store()
    const { id, worker } = await new SuspensionDriver(store()).suspended()
    expect(await backend.executions.replay({ namespace, id })).toEqual({
      outcome: 'replay_conflict',
      ids: [id],
    })
    expect(await backend.leases.revoke({ namespace, id })).toEqual({
      outcome: 'execution_not_active',
      recorded: { endedBy: 'holder', terminalOutcome: 'none' },
    })
    expect(await worker.claim()).toEqual([])
  })

  it('keeps its signals over a replay, and its waitpoints open', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const [a, b] = [await driver.waitpoint(waiting.id, 'a'), await driver.waitpoint(waiting.id, 'b')]
    const condition = { kind: 'all_of', of: [onSignal(a), onSignal(b)] } as const
    await driver.suspend(waiting, { condition })
    await driver.signals(a, 'kept')
    await backend.executions.cancel({ namespace, id: waiting.id })
    await backend.executions.replay({ namespace, id: waiting.id })
    const { handle, attemptIndex, resumption } = await waiting.worker.claimOne()
    expect([attemptIndex, resumption]).toEqual([1, null])
    expect((await driver.suspend({ id: waiting.id, handle }, { condition })).outcome).toBe('suspended')
    expect((await driver.signal(b)).outcome).toBe('satisfied')
    const again = await waiting.worker.claimOne()
    expect(again.resumption?.signals.map(({ name }) => name)).toEqual(['kept', 'go'])
  })

  it('is forgotten by a fork, with its waitpoints and signals', async () => {
    const { backend, namespace } = store()
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    await driver.signal(waitpointId)
    await worker.complete((await worker.claimOne()).handle)
    await backend.executions.replay({ namespace, id, input: bytesOf('other') })
    expect(await driver.listWaitpoints(id)).toEqual([])
    expect(await driver.listSignals(id)).toEqual([])
    expect(await codeOf(driver.signal(waitpointId))).toBe('waitpoint_not_found')
    const { resumption, handle } = await worker.claimOne()
    expect(resumption).toBeNull()
    expect((await driver.create(id, { waitpointId, handle })).outcome).toBe('created')
    expect((await driver.signal(waitpointId)).outcome).toBe('buffered')
  })

  it('goes with its waitpoints and signals when it is past its retention', async () => {
    const { backend, namespace, partitions } = store()
    const driver = new SuspensionDriver(store())
    const { id, waitpointId, worker } = await driver.suspended()
    await driver.signal(waitpointId)
    await worker.complete((await worker.claimOne()).handle)
    const cancelled = await driver.suspended()
    await backend.executions.cancel({ namespace, id: cancelled.id })
    await store().pass(dayMs)
    for (const partition of partitions) await backend.maintenance.trimRetention({ partition, max: 500 })
    for (const gone of [id, cancelled.id]) {
      expect(await codeOf(driver.listWaitpoints(gone))).toBe('execution_not_found')
      expect(await codeOf(driver.listSignals(gone))).toBe('execution_not_found')
    }
    expect(await codeOf(driver.signal(waitpointId))).toBe('waitpoint_not_found')
    expect(await codeOf(driver.signal(cancelled.waitpointId))).toBe('waitpoint_not_found')
  })

  it('counts as suspended, in its lane and in listings', async () => {
    const { backend, namespace } = store()
    const { id } = await new SuspensionDriver(store()).suspended()
    const filter = { states: ['suspended'] } as const
    const { items } = await backend.executions.list({ namespace, filter })
    expect(items.map((execution) => execution.id)).toEqual([id])
    expect(await backend.executions.count({ namespace, filter })).toEqual({ outcome: 'counted', count: 1 })
    const { lanes } = await backend.lanes.list({ namespace })
    expect(lanes.find(({ lane }) => lane === 'solos')?.depth).toMatchObject({ suspended: 1, active: 0 })
  })

  it('and a cancel race for it, and one wins', async () => {
    const { backend, namespace } = store()
    for (let turn = 0; turn < 5; turn += 1) {
      const driver = new SuspensionDriver(store())
      const { id, waitpointId } = await driver.suspended()
      const [signal] = await Promise.all([
        driver.signal(waitpointId),
        backend.executions.cancel({ namespace, id }),
      ])
      expect(['satisfied', 'waitpoint_closed']).toContain(signal.outcome)
      expect((await readOne(store(), id)).publicState).toBe('cancelled')
    }
  })
})

describe('a member of a flow that is suspended', () => {
  const store = useStore()

  async function suspendedMember() {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] }, c: {} })
    const worker = new WorkerDriver(store(), { lanes: [flow.lane], kinds: [parseKind('a')] })
    const { handle } = await worker.claimOne()
    const driver = new SuspensionDriver(store())
    const id = flow.id('a')
    const waitpointId = await driver.waitpoint(id)
    const timeout = { afterMs: 60_000, behaviour: 'fail' } as const
    await driver.suspend({ id, handle }, { condition: onSignal(waitpointId), timeout })
    return { flow, driver, worker, waitpointId, id }
  }

  it('is shown in its flow, and leads to its downstreams when it has gone on', async () => {
    const { flow, driver, worker, waitpointId } = await suspendedMember()
    await flow.settle()
    expect((await flow.flow()).summary).toMatchObject({
      counts: { suspended: 1, waiting: 1, waiting_children: 1 },
      publicFlowState: 'open',
    })
    await flow.end('c', 'success')
    await flow.settle()
    expect((await flow.flow()).summary.publicFlowState).toBe('blocked')
    await driver.signal(waitpointId)
    const { handle } = await worker.claimOne()
    await worker.complete(handle)
    await flow.settle()
    expect(await flow.state('b')).toBe('waiting')
    const states = (await store().eventsOf(flow.id('a'))).map(({ publicState }) => publicState)
    expect(states).toEqual(['waiting', 'active', 'suspended', 'resumable', 'active', 'completed'])
  })

  it('skips its downstreams when its timeout fails it', async () => {
    const { flow } = await suspendedMember()
    await store().pass(60_000)
    expect(await flow.states()).toMatchObject({ a: 'failed', b: 'skipped' })
  })

  it.each(['cancel_all', 'cancel_pending'] as const)('ends with its flow by %s', async (policy) => {
    const { flow, driver, waitpointId } = await suspendedMember()
    await flow.cancel(policy)
    await flow.settle()
    expect(await flow.states()).toMatchObject({ a: 'cancelled', b: 'cancelled', c: 'cancelled' })
    expect((await flow.execution('a')).cancelCause).toBe('flow')
    expect((await driver.signal(waitpointId)).outcome).toBe('waitpoint_closed')
  })

  it('ends when it would be suspended in a flow that is cancelling', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    const worker = new WorkerDriver(store(), { lanes: [flow.lane], kinds: [parseKind('a')] })
    const { handle } = await worker.claimOne()
    const driver = new SuspensionDriver(store())
    const waitpointId = await driver.waitpoint(flow.id('a'))
    await flow.cancel('cancel_pending')
    const answer = await driver.suspend({ id: flow.id('a'), handle }, { condition: onSignal(waitpointId) })
    expect(answer).toEqual({ outcome: 'cancelled' })
    await flow.settle()
    expect((await flow.flow()).state).toBe('cancelled')
  })

  it('is in the way of a replay of its flow', async () => {
    const { flow, id } = await suspendedMember()
    const { backend, namespace } = store()
    const answer = await backend.flows.replay({ namespace, flowId: flow.flowId, from: [id] })
    expect(answer).toMatchObject({ outcome: 'replay_conflict' })
  })

  it('loses a race that another one wins', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      first: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
    })
    const worker = new WorkerDriver(store(), { lanes: [flow.lane], kinds: [parseKind('a')] })
    const { handle } = await worker.claimOne()
    const driver = new SuspensionDriver(store())
    const waitpointId = await driver.waitpoint(flow.id('a'))
    await driver.suspend({ id: flow.id('a'), handle }, { condition: onSignal(waitpointId) })
    await flow.end('b', 'success')
    await flow.settle()
    expect(await flow.execution('a')).toMatchObject({ publicState: 'cancelled', cancelCause: 'sibling' })
  })
})
