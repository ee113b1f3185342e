import type { Hint, PendingWork, PulseResult } from '@flowfabric/core'
import { partitionTagOf } from '@flowfabric/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { codeOf, submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('maintenance.pulse', () => {
  const store = useStore({ partitions: { flow: 1 }, inlineResolveEdges: 0 })
  const pulse = (): Promise<PulseResult> =>
    store().backend.maintenance.pulse({ partitions: store().partitions })
  const pending = async (): Promise<readonly PendingWork[]> => (await pulse()).partitions[0]?.pending ?? []

  // What earlier tests left is carried out, so that each sees its own work alone.
  beforeEach(async () => {
    await store().settle()
    for (const partition of store().partitions) {
      await store().backend.maintenance.upkeep({ partition, max: 500 })
      await store().backend.maintenance.trimRetention({ partition, max: 500 })
    }
  })

  it('names nothing when nothing is to do', async () => {
    expect(await pending()).toEqual([])
  })

  it('names timers when they are due, and before that when', async () => {
    await submitOne(store(), { delayMs: 1_000 })
    const { partitions, nowMs } = await pulse()
    expect(partitions[0]?.nextDueAtMs).toBe(nowMs + 1_000)
    expect(await pending()).not.toContain('timers')
    await store().advance(1_000)
    expect(await pending()).toContain('timers')
    await store().settle()
    expect(await pending()).not.toContain('timers')
  })

  it('names the outbox while an end is not resolved', async () => {
    const solo = store().aSolo()
    await store().backend.executions.submit({ namespace: store().namespace, items: [solo] })
    await store().end(solo)
    expect(await pending()).toContain('outbox')
    await store().settle()
    expect(await pending()).not.toContain('outbox')
  })

  it('does not name the ends in a draft, which wait for its seal', async () => {
    const { backend, namespace } = store()
    const flow = new FlowDriver(store())
    await backend.flows.createDraft({ namespace, flowId: flow.flowId })
    await flow.extend({ a: {}, b: { after: ['a'] } })
    await flow.cancelMember('a')
    expect(await pending()).not.toContain('outbox')
    await backend.flows.seal({ namespace, flowId: flow.flowId })
    expect(await pending()).toContain('outbox')
    await flow.settle()
    expect(await flow.states()).toEqual({ a: 'cancelled', b: 'skipped' })
  })

  it('names sibling cancels and projection', async () => {
    const flow = await FlowDriver.submit(store(), {
      a: {},
      b: {},
      first: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } },
    })
    expect(await pending()).toContain('projection')
    await flow.end('a', 'success')
    await flow.settle({ except: ['sibling_cancels'] })
    expect(await pending()).toContain('sibling_cancels')
    await flow.settle()
    expect(await pending()).not.toContain('sibling_cancels')
    expect(await flow.state('b')).toBe('cancelled')
  })

  it('names retention when something is past it', async () => {
    const solo = store().aSolo({ retentionMs: 1_000 })
    await store().backend.executions.submit({ namespace: store().namespace, items: [solo] })
    await store().end(solo)
    await store().settle()
    expect(await pending()).not.toContain('retention')
    await store().advance(1_000)
    expect(await pending()).toContain('retention')
  })

  it('names lanes whose best work waits longer than 250 ms, unless they start nothing', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    const { lane } = store().aSolo()
    const waiting = async () => (await pulse()).waitingLanes.filter((each) => each.namespace === namespace)
    const readyAtMs = await store().nowMs()
    await store().advance(250)
    expect(await waiting()).toEqual([])
    await store().advance(1)
    expect(await waiting()).toEqual([{ namespace, lane, readyAtMs }])
    await backend.lanes.setState({ namespace, lane, state: 'paused' })
    expect(await waiting()).toEqual([])
    await backend.lanes.setState({ namespace, lane, state: 'active' })
    expect((await new WorkerDriver(store()).claimOne()).executionId).toBe(id)
    expect(await waiting()).toEqual([])
  })

  it('tells who listens of such lanes again', async () => {
    const { backend, namespace } = store()
    await submitOne(store())
    const { lane } = store().aSolo()
    await store().advance(251)
    const told: Hint[] = []
    const stop = backend.events.listen({ onHint: (hint) => void told.push(hint) })
    const ofLane = () =>
      told.filter((hint) => hint.type === 'ready' && hint.namespace === namespace && hint.lane === lane)
    await pulse()
    await expect.poll(ofLane).not.toEqual([])
    await new WorkerDriver(store()).claimOne()
    told.length = 0
    await pulse()
    expect(ofLane()).toEqual([])
    stop()
  })

  it('answers for the partitions asked, and refuses what is none', async () => {
    const { maintenance } = store().backend
    const tag = partitionTagOf(store().aSolo().id)
    expect(
      (await maintenance.pulse({ partitions: [tag] })).partitions.map(({ partition }) => partition),
    ).toEqual([tag])
    expect((await maintenance.pulse({ partitions: [] })).partitions).toEqual([])
    expect(await codeOf(maintenance.pulse({ partitions: ['{fp:7}' as never] }))).toBe(
      'partition_out_of_range',
    )
    expect(await codeOf(maintenance.pulse({ partitions: ['x' as never] }))).toBe(
      'partition_tag_without_braces',
    )
  })
})
