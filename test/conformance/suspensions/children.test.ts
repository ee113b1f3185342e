import {
  type ExecutionId,
  type FlowId,
  mintExecutionId,
  mintFlowId,
  type ParentLink,
  parseLaneId,
  partitionIndexOf,
  partitionTagOf,
  type ResumeCondition,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, itemCodeOf, readOne, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { SuspensionDriver, type Waiting } from '../../support/suspension-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const lane = parseLaneId('children')

describe('an execution that waits for a child', () => {
  const store = useStore()

  const onEnd = (id: ExecutionId | FlowId): ResumeCondition => ({ kind: 'child', id })
  const stateOf = async (id: ExecutionId) => (await readOne(store(), id)).publicState
  const children = () => new WorkerDriver(store(), { lanes: [lane] })

  /** A child in the other partition, so that it and its parent share no step. */
  async function submitChild(of: Waiting, more: Partial<ParentLink> = {}): Promise<ExecutionId> {
    const id = mintExecutionId(partitionIndexOf(of.id) === 0 ? 1 : 0)
    const parent = { id: of.id, detached: false, ...more }
    await submitOne(store(), { id, lane, parent })
    expect(partitionTagOf(id)).not.toBe(partitionTagOf(of.id))
    return id
  }

  async function waitFor(waiting: Waiting, ...ids: readonly (ExecutionId | FlowId)[]) {
    const driver = new SuspensionDriver(store())
    const condition: ResumeCondition = { kind: 'all_of', of: ids.map(onEnd) }
    return driver.suspend(waiting, { reason: 'child', condition })
  }

  it('goes on when the child has ended, and is told how', async () => {
    const waiting = await new SuspensionDriver(store()).active()
    const child = await submitChild(waiting)
    expect((await readOne(store(), child)).parent).toEqual({ id: waiting.id, detached: false })
    expect((await readOne(store(), waiting.id)).parent).toBeNull()
    expect((await waitFor(waiting, child)).outcome).toBe('suspended')
    await store().settle()
    expect(await stateOf(waiting.id)).toBe('suspended')
    const worker = children()
    await worker.complete((await worker.claimOne()).handle, 'done')
    await store().settle()
    expect(await stateOf(waiting.id)).toBe('resumable')
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption).toMatchObject({
      by: 'condition',
      signals: [],
      children: [{ id: child, generation: 1, outcome: 'success' }],
    })
  })

  it.each(['success', 'failed', 'cancelled', 'expired'] as const)(
    'is told of the end: %s',
    async (outcome) => {
      const { backend, namespace } = store()
      const waiting = await new SuspensionDriver(store()).active()
      const id = mintExecutionId(partitionIndexOf(waiting.id) === 0 ? 1 : 0)
      const timeouts = { deadlineMs: 5_000 }
      await submitOne(store(), { id, lane, timeouts, parent: { id: waiting.id, detached: true } })
      await waitFor(waiting, id)
      const worker = children()
      const { handle } = await worker.claimOne()
      if (outcome === 'success') await worker.complete(handle)
      if (outcome === 'failed') await worker.fail(handle, { retry: 'never' })
      if (outcome === 'cancelled') await backend.executions.cancel({ namespace, id })
      await store().pass(5_000)
      const { resumption } = await waiting.worker.claimOne()
      expect(resumption?.children).toEqual([{ id, generation: 1, outcome }])
    },
  )

  it('goes on at once when the child had ended before', async () => {
    const waiting = await new SuspensionDriver(store()).active()
    const child = await submitChild(waiting)
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await store().settle()
    expect(await waitFor(waiting, child)).toMatchObject({
      outcome: 'already_satisfied',
      resumption: { children: [{ id: child, outcome: 'success' }] },
    })
    expect(await stateOf(waiting.id)).toBe('active')
  })

  it('goes on although the news of the end was still on its way', async () => {
    const waiting = await new SuspensionDriver(store()).active()
    const child = await submitChild(waiting)
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await waitFor(waiting, child)
    await store().settle()
    expect((await waiting.worker.claimOne()).resumption?.children).toMatchObject([{ id: child }])
  })

  it('waits for all of several, and for any of them', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const [a, b] = [await submitChild(waiting), await submitChild(waiting)]
    const condition: ResumeCondition = { kind: 'any_of', of: [onEnd(a), onEnd(b)] }
    await driver.suspend(waiting, { reason: 'child', condition })
    const worker = children()
    const [first, second] = await worker.claim()
    await worker.complete(second?.handle ?? '')
    await store().settle()
    const { handle, resumption } = await waiting.worker.claimOne()
    expect(resumption?.children.map(({ id }) => id)).toEqual([second?.executionId])
    expect((await waitFor({ ...waiting, handle }, a, b)).outcome).toBe('suspended')
    await worker.complete(first?.handle ?? '')
    await store().settle()
    const both = await waiting.worker.claimOne()
    expect(both.resumption?.children.map(({ id }) => id)).toEqual([a, b])
  })

  it('waits for a child and a signal alike', async () => {
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const child = await submitChild(waiting)
    const waitpointId = await driver.waitpoint(waiting.id)
    const condition: ResumeCondition = { kind: 'all_of', of: [onEnd(child), { kind: 'signal', waitpointId }] }
    await driver.suspend(waiting, { condition })
    expect((await driver.signal(waitpointId)).outcome).toBe('accepted')
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await store().settle()
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption).toMatchObject({ signals: [{ waitpointId }], children: [{ id: child }] })
  })

  it('may wait for what it did not call: before its end, after it, and when it never was', async () => {
    const driver = new SuspensionDriver(store())
    const stranger = await submitOne(store(), { lane })
    const early = await driver.active()
    await waitFor(early, stranger)
    await store().settle()
    expect(await stateOf(early.id)).toBe('suspended')
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await store().settle()
    expect((await early.worker.claimOne()).resumption?.children).toMatchObject([{ outcome: 'success' }])

    const late = await driver.active()
    expect((await waitFor(late, stranger)).outcome).toBe('suspended')
    await store().settle()
    expect((await late.worker.claimOne()).resumption?.children).toMatchObject([{ outcome: 'success' }])

    const never = mintExecutionId(0)
    const noFlow = mintFlowId()
    const lost = await driver.active()
    await waitFor(lost, never, noFlow)
    await store().settle()
    expect((await lost.worker.claimOne()).resumption?.children).toEqual([
      { id: never, generation: 0, outcome: 'not_found' },
      { id: noFlow, generation: 0, outcome: 'not_found' },
    ])
  })

  it('is one of many who wait for the same end', async () => {
    const driver = new SuspensionDriver(store())
    const stranger = await submitOne(store(), { lane })
    const waiting: Waiting[] = []
    for (let at = 0; at < 120; at += 1) waiting.push(await driver.active())
    for (const each of waiting) await waitFor(each, stranger)
    await store().settle()
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await store().settle()
    expect(await waiting[0]?.worker.claim({ max: 200 })).toHaveLength(120)
  })

  it('hears nothing of another namespace', async () => {
    const { backend } = store()
    const foreign = 'foreign-children' as never
    const driver = new SuspensionDriver(store())
    const waiting = await driver.active()
    const solo = store().aSolo({ lane, parent: { id: waiting.id, detached: false } })
    const { items } = await backend.executions.submit({ namespace: foreign, items: [solo] })
    expect(items).toMatchObject([{ outcome: 'accepted' }])
    await store().settle()
    await waitFor(waiting, solo.id)
    await store().settle()
    expect((await waiting.worker.claimOne()).resumption?.children).toMatchObject([{ outcome: 'not_found' }])
    await backend.executions.cancel({ namespace: store().namespace, id: waiting.id })
    await store().settle()
    const { execution } = await backend.executions.get({ namespace: foreign, id: solo.id })
    expect(execution.publicState).toBe('waiting')
  })

  it('waits for a flow, until that is settled', async () => {
    const waiting = await new SuspensionDriver(store()).active()
    const flow = await FlowDriver.submit(
      store(),
      { a: {}, b: { after: ['a'] } },
      { parent: { id: waiting.id, detached: false } },
    )
    await waitFor(waiting, flow.flowId)
    await flow.end('a', 'success')
    await store().settle()
    expect(await stateOf(waiting.id)).toBe('suspended')
    await flow.end('b', 'failed')
    await store().settle()
    const { resumption } = await waiting.worker.claimOne()
    expect(resumption?.children).toEqual([{ id: flow.flowId, generation: 1, outcome: 'failed' }])
  })

  it('cannot wait for its own flow, or itself', async () => {
    const flow = await FlowDriver.submit(store(), { a: {} })
    await flow.start('a')
    const { handle } = flow.lease('a')
    const waiting = { id: flow.id('a'), handle, worker: new WorkerDriver(store()) }
    expect(itemCodeOf(await waitFor(waiting, flow.flowId))).toBe('condition_unsatisfiable')
    expect(itemCodeOf(await waitFor(waiting, flow.id('a')))).toBe('condition_unsatisfiable')
    expect(await flow.state('a')).toBe('active')
  })

  it('knows the last end that it was told, by its generation', async () => {
    const { backend, namespace } = store()
    const waiting = await new SuspensionDriver(store()).active()
    const child = await submitChild(waiting, { detached: true })
    const worker = children()
    const endOnce = async () => {
      await worker.complete((await worker.claimOne()).handle)
    }
    await endOnce()
    await backend.executions.replay({ namespace, id: child })
    await endOnce()
    await store().settle()
    const answer = await waitFor(waiting, child)
    expect(answer).toMatchObject({ outcome: 'already_satisfied' })
    const told = answer.outcome === 'already_satisfied' ? answer.resumption.children : []
    expect(told).toEqual([{ id: child, generation: 2, outcome: 'success' }])
  })

  it('is told of an end that came while it had ended itself, once it is replayed', async () => {
    const { backend, namespace } = store()
    const waiting = await new SuspensionDriver(store()).active()
    const child = await submitChild(waiting, { detached: true })
    await store().settle()
    await waiting.worker.fail(waiting.handle, { retry: 'never' })
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await store().settle()
    await backend.executions.replay({ namespace, id: waiting.id })
    const { handle } = await waiting.worker.claimOne()
    expect((await waitFor({ ...waiting, handle }, child)).outcome).toBe('already_satisfied')
  })

  it('is told of an end although the child is gone by then', async () => {
    const { backend, partitions } = store()
    const waiting = await new SuspensionDriver(store()).active()
    const id = mintExecutionId(partitionIndexOf(waiting.id) === 0 ? 1 : 0)
    await submitOne(store(), { id, lane, retentionMs: 0, parent: { id: waiting.id, detached: false } })
    await waitFor(waiting, id)
    const worker = children()
    await worker.complete((await worker.claimOne()).handle)
    await store().advance(1)
    for (const partition of partitions) await backend.maintenance.trimRetention({ partition, max: 500 })
    await store().settle()
    expect((await waiting.worker.claimOne()).resumption?.children).toMatchObject([{ id, outcome: 'success' }])
  })
})

describe('a child', () => {
  const store = useStore()

  const stateOf = async (id: ExecutionId) => (await readOne(store(), id)).publicState

  async function family(detached = false) {
    const parent = await new SuspensionDriver(store()).active()
    const id = mintExecutionId(partitionIndexOf(parent.id) === 0 ? 1 : 0)
    await submitOne(store(), { id, lane, parent: { id: parent.id, detached } })
    return { parent, id }
  }

  it('is cancelled with its parent, whatever that does', async () => {
    const { backend, namespace } = store()
    const active = await family()
    const waiting = await family()
    const condition = { kind: 'child', id: waiting.id } as const
    await new SuspensionDriver(store()).suspend(waiting.parent, { reason: 'child', condition })
    const worker = new WorkerDriver(store(), { lanes: [lane] })
    expect(await worker.claim({ max: 1 })).toHaveLength(1)
    await store().settle()
    for (const { parent } of [active, waiting]) await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    for (const { id } of [active, waiting])
      expect(await readOne(store(), id)).toMatchObject({ publicState: 'cancelled', cancelCause: 'parent' })
  })

  it('is cancelled although its parent did not know it yet', async () => {
    const { backend, namespace } = store()
    const { parent, id } = await family()
    await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    expect(await readOne(store(), id)).toMatchObject({ publicState: 'cancelled', cancelCause: 'parent' })
    const late = mintExecutionId(partitionIndexOf(parent.id))
    await submitOne(store(), { id: late, lane, parent: { id: parent.id, detached: false } })
    await store().settle()
    expect(await stateOf(late)).toBe('cancelled')
  })

  it('is cancelled when its parent expires, by its deadline or the timeout of its suspension', async () => {
    const driver = new SuspensionDriver(store())
    const parent = await driver.active({ timeouts: { deadlineMs: 5_000 } })
    const id = await submitOne(store(), { lane, parent: { id: parent.id, detached: false } })
    await store().pass(5_000)
    expect([await stateOf(parent.id), await stateOf(id)]).toEqual(['expired', 'cancelled'])

    const other = await family()
    const condition = { kind: 'child', id: other.id } as const
    const timeout = { afterMs: 5_000, behaviour: 'expire' } as const
    await driver.suspend(other.parent, { condition, timeout })
    await store().pass(5_000)
    expect([await stateOf(other.parent.id), await stateOf(other.id)]).toEqual(['expired', 'cancelled'])
  })

  it('is left alone when it is detached, or when its parent ends by itself', async () => {
    const { backend, namespace } = store()
    const detached = await family(true)
    await backend.executions.cancel({ namespace, id: detached.parent.id })
    const succeeded = await family()
    await succeeded.parent.worker.complete(succeeded.parent.handle)
    const failed = await family()
    await failed.parent.worker.fail(failed.parent.handle, { retry: 'never' })
    await store().settle()
    for (const { id } of [detached, succeeded, failed]) expect(await stateOf(id)).toBe('waiting')
  })

  it('and all its siblings are cancelled, however many they are', async () => {
    const { backend, namespace } = store()
    const parent = await new SuspensionDriver(store()).active()
    const items = Array.from({ length: 130 }, () =>
      store().aSolo({ lane, parent: { id: parent.id, detached: false } }),
    )
    await backend.executions.submit({ namespace, items })
    await store().settle()
    await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    const filter = { lane, states: ['cancelled'] } as const
    expect(await backend.executions.count({ namespace, filter })).toMatchObject({ count: 130 })
  })

  it('that is a flow is cancelled whole', async () => {
    const { backend, namespace } = store()
    const parent = await new SuspensionDriver(store()).active()
    const link = { parent: { id: parent.id, detached: false } }
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } }, link)
    const draft = mintFlowId()
    await backend.flows.createDraft({ namespace, flowId: draft, ...link })
    await flow.start('a')
    await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    expect(await flow.states()).toEqual({ a: 'cancelled', b: 'cancelled' })
    expect((await flow.flow()).state).toBe('cancelled')
    expect((await backend.flows.get({ namespace, flowId: draft })).flow.state).toBe('cancelled')
  })

  it('takes its own children with it', async () => {
    const { backend, namespace } = store()
    const { parent, id } = await family()
    const grandchild = await submitOne(store(), { lane, parent: { id, detached: false } })
    await store().settle()
    await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    expect([await stateOf(id), await stateOf(grandchild)]).toEqual(['cancelled', 'cancelled'])
  })

  it('is not cancelled any more when its parent was replayed before it heard of the cancel', async () => {
    const { backend, namespace } = store()
    const { parent, id } = await family()
    await store().settle()
    await backend.executions.cancel({ namespace, id: parent.id })
    await backend.executions.replay({ namespace, id: parent.id })
    await store().settle()
    expect(await stateOf(id)).toBe('waiting')
  })

  it('is refused with a parent that holds nothing together', async () => {
    const { backend, namespace } = store()
    const solo = store().aSolo({ lane })
    const codeWith = async (parent: unknown) => {
      const item = { ...solo, parent: parent as ParentLink }
      return itemCodeOf((await backend.executions.submit({ namespace, items: [item] })).items[0])
    }
    expect(await codeWith('x')).toBe('invalid_params')
    expect(await codeWith({ id: 'x', detached: false })).toBe('invalid_execution_id')
    expect(await codeWith({ id: mintExecutionId(99), detached: false })).toBe('partition_out_of_range')
    expect(await codeWith({ id: mintExecutionId(0) })).toBe('invalid_params')
    expect(await codeWith({ id: solo.id, detached: false })).toBe('invalid_params')
    const draft = { namespace, flowId: mintFlowId(), parent: { id: 'x' as never, detached: false } }
    expect(await codeOf(backend.flows.createDraft(draft))).toBe('invalid_execution_id')
  })

  it('outlives a parent that never was', async () => {
    const parent = { id: mintExecutionId(0), detached: false }
    const id = await submitOne(store(), { lane, parent })
    await store().settle()
    const worker = new WorkerDriver(store(), { lanes: [lane] })
    await worker.complete((await worker.claimOne()).handle)
    await store().settle()
    expect(await stateOf(id)).toBe('completed')
  })

  it('leaves nothing behind', async () => {
    const { backend, namespace, partitions } = store()
    const { parent, id } = await family()
    await backend.executions.cancel({ namespace, id: parent.id })
    await store().settle()
    await store().pass(2 * 86_400_000)
    for (const partition of partitions) await backend.maintenance.trimRetention({ partition, max: 500 })
    await store().settle()
    expect(await codeOf(readOne(store(), id))).toBe('execution_not_found')
    const { partitions: pulses } = await backend.maintenance.pulse({ partitions })
    expect(pulses.flatMap(({ pending }) => pending).filter((work) => work === 'outbox')).toEqual([])
  })
})
