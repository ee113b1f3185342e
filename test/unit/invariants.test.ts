import { must } from '@flowfabric/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { ExecutionRecord, FlowRecord } from '../model/records.js'
import { createTestBackend, type TestBackend } from '../support/backends.js'
import { submitOne } from '../support/builders.js'
import { FlowDriver } from '../support/flow-driver.js'
import { findViolations } from '../support/invariants.js'
import { inNamespace, type TestStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

/** Faults planted in the model, each of which the invariants must name: a check that can't fail checks nothing. */
describe('the invariants', () => {
  let opened: TestBackend
  let store: TestStore

  beforeEach(async () => {
    opened = await createTestBackend({ name: 'model' })
    store = inNamespace(opened, 'invariants' as never)
  })

  const inside = () => {
    if (!('model' in opened.inside)) throw new Error('the model is open')
    return opened.inside.model.store
  }
  const record = (id: string): ExecutionRecord => must(inside().executions.get(id as never), id)
  const find = () => findViolations({ ...store, hasFaults: false })

  async function aFlow(): Promise<{ readonly flow: FlowDriver; readonly record: FlowRecord }> {
    const flow = await FlowDriver.submit(store, { a: {}, b: {}, join: { after: ['a', 'b'] } })
    await flow.end('a', 'success')
    await flow.settle()
    return { flow, record: must(inside().flows.get(flow.flowId), flow.flowId) }
  }

  it('find nothing in a healthy store', async () => {
    const { flow } = await aFlow()
    await submitOne(store)
    const worker = new WorkerDriver(store)
    await worker.fail((await worker.claimOne()).handle)
    expect(await find()).toEqual([])
    await flow.end('b', 'failed')
    expect(await find()).toEqual([])
    expect(await flow.states()).toMatchObject({ join: 'skipped' })
  })

  it('name an impossible vector', async () => {
    const x = record(await submitOne(store))
    x.state = { ...x.state, terminalOutcome: 'success' }
    expect(await find()).toContain(`${x.id}: V1: terminal exactly with an outcome`)
  })

  it('name a lease that outlives its attempt', async () => {
    const x = record(await submitOne(store))
    await new WorkerDriver(store).claimOne()
    const lease = x.lease
    await store.backend.executions.cancel({ namespace: store.namespace, id: x.id })
    x.lease = lease
    expect(await find()).toContain(`${x.id}: a lease exactly when active`)
  })

  it('name a second started attempt, a gap in the numbers and an epoch that falls', async () => {
    const x = record(await submitOne(store))
    await new WorkerDriver(store).claimOne()
    const attempt = must(x.attempts[0], 'an attempt')
    x.attempts.push({ ...attempt, index: 2, epoch: 0 })
    expect(await find()).toEqual(
      expect.arrayContaining([
        `${x.id}: one started attempt exactly while leased`,
        `${x.id}: attempts are numbered without gaps`,
        `${x.id}: epochs only rise`,
        `${x.id}: retryCount is 1`,
      ]),
    )
  })

  it('name a second terminal event of a generation', async () => {
    const id = await submitOne(store)
    await store.backend.executions.cancel({ namespace: store.namespace, id })
    const last = must(inside().feed.at(-1), 'an event')
    inside().feed.push({ ...last, number: last.number + 1 })
    expect(await find()).toContain(`${id}: two terminal events of one generation`)
  })

  it('name a hold that survives an end, and a cause without a cancel', async () => {
    const id = await submitOne(store)
    await store.backend.executions.cancel({ namespace: store.namespace, id })
    record(id).held = true
    record(id).cancelCause = null
    expect(await find()).toEqual(
      expect.arrayContaining([`${id}: no hold survives an end`, `${id}: a cause exactly when cancelled`]),
    )
  })

  it('name a counter that is not the count of its edges', async () => {
    const { record } = await aFlow()
    must(record.edges[0], 'an edge').bucket = null
    expect((await find()).join()).toContain('succeeded is not the satisfied edges')
  })

  it('name a group that its counters decide otherwise', async () => {
    const { flow, record } = await aFlow()
    must(record.groups.get(flow.id('join')), 'the group').state = 'impossible'
    expect((await find()).join()).toContain('impossible, but its counters decide otherwise')
  })

  it('name a node that waits although its group let it go', async () => {
    const { flow, record } = await aFlow()
    must(record.groups.get(flow.id('join')), 'the group').released = true
    expect((await find()).join()).toContain('waits exactly until it is released')
  })

  it('name an edge that was left behind', async () => {
    const { flow } = await aFlow()
    const { inlineResolveEdges } = inside().options
    Object.assign(inside().options, { inlineResolveEdges: 0 })
    await flow.end('b', 'success')
    inside().outbox.clear()
    Object.assign(inside().options, { inlineResolveEdges })
    expect((await find()).join()).toContain('was left behind')
  })

  it('name a flow that ended before its members, and one that is over but open', async () => {
    const { record: first } = await aFlow()
    first.state = 'completed'
    expect((await find()).join()).toContain('ended before its members')
    const { flow, record: second } = await aFlow()
    await flow.end('b', 'success')
    await flow.settle()
    await flow.end('join', 'success')
    inside().outbox.clear()
    expect((await find()).join()).toContain(`${second.id}: over, but open`)
  })

  it('name what waits for nothing', async () => {
    const delayed = record(await submitOne(store, { delayMs: 1_000 }))
    delayed.notBeforeMs = null
    delayed.delayReason = null
    const held = record(await submitOne(store))
    await store.backend.executions.hold({ namespace: store.namespace, id: held.id })
    held.held = false
    const waiting = record(await submitOne(store))
    waiting.readyAtMs = null
    expect(await find()).toEqual(
      expect.arrayContaining([
        `${delayed.id}: nothing wakes it from not_eligible_until_time`,
        `${held.id}: nothing wakes it from blocked_by_operator`,
        `${waiting.id}: nothing wakes it from eligible_now`,
      ]),
    )
  })

  it('name a node whose group stays undecided after its last upstream', async () => {
    const { flow, record: kept } = await aFlow()
    await flow.start('b')
    const group = must(kept.groups.get(flow.id('join')), 'the group')
    const { join } = group
    group.join = null
    await flow.complete('b')
    group.join = join
    expect((await find()).join()).toContain('a node waits although all its upstreams have ended')
  })
})
