import { parseKind, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const lane = parseLaneId('solos')

describe('lanes.setState', () => {
  const store = useStore({})

  const setState = async (state: 'active' | 'paused' | 'draining' | 'disabled', on = lane) => {
    const { backend, namespace } = store()
    return backend.lanes.setState({ namespace, lane: on, state })
  }

  it('answers the state before, and is idempotent', async () => {
    expect(await setState('paused')).toEqual({ outcome: 'set', previous: 'active' })
    expect(await setState('paused')).toEqual({ outcome: 'set', previous: 'paused' })
    expect(await setState('active')).toEqual({ outcome: 'set', previous: 'paused' })
  })

  it('paused: accepts, starts nothing, and running attempts go on', async () => {
    const worker = new WorkerDriver(store())
    await submitOne(store())
    const running = await worker.claimOne()
    const waiting = await submitOne(store())
    await setState('paused')
    expect(await worker.claim()).toEqual([])
    const accepted = await submitOne(store())
    expect(await worker.claim()).toEqual([])
    expect((await worker.renew(running.handle)).outcome).toBe('renewed')
    expect(await worker.complete(running.handle)).toEqual({ outcome: 'completed', late: false })
    await setState('active')
    const got = (await worker.claim()).map(({ executionId }) => executionId)
    expect(new Set(got)).toEqual(new Set([waiting, accepted]))
  })

  it('paused: starts nothing that goes on from a delay either', async () => {
    const worker = new WorkerDriver(store())
    await submitOne(store())
    const { handle } = await worker.claimOne()
    await worker.delay(handle, (await store().nowMs()) + 1_000)
    await setState('paused')
    await store().pass(1_000)
    expect(await worker.claim()).toEqual([])
    await setState('active')
    expect(await worker.claim()).toHaveLength(1)
  })

  it('draining: refuses new work, works off what it has, members of accepted flows included', async () => {
    const { backend, namespace } = store()
    const worker = new WorkerDriver(store())
    const known = await submitOne(store())
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await setState('draining')
    await setState('draining', flow.lane)
    const answer = await backend.executions.submit({ namespace, items: [store().aSolo()] })
    expect(answer.items).toEqual([{ outcome: 'lane_not_accepting', lane, laneState: 'draining' }])
    expect(await backend.executions.count({ namespace, filter: { lane } })).toEqual({
      outcome: 'counted',
      count: 1,
    })
    expect((await worker.claimOne()).executionId).toBe(known)
    await flow.end('a', 'success')
    await flow.settle()
    await flow.end('b', 'success')
    await flow.settle()
    expect((await flow.flow()).state).toBe('completed')
  })

  it('disabled: refuses and starts nothing', async () => {
    const { backend, namespace } = store()
    const worker = new WorkerDriver(store())
    await submitOne(store())
    await setState('disabled')
    const answer = await backend.executions.submit({ namespace, items: [store().aSolo()] })
    expect(answer.items).toMatchObject([{ outcome: 'lane_not_accepting', laneState: 'disabled' }])
    expect(await worker.claim()).toEqual([])
  })

  it('a block of the lane is none of the execution: it stays eligible, and explain can say why', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store())
    await setState('paused')
    const facts = await backend.executions.explainFacts({ namespace, id })
    expect(facts.lane).toMatchObject({ state: 'paused' })
    expect(facts.execution.state).toMatchObject({
      eligibilityState: 'eligible_now',
      blockingReason: 'waiting_for_worker',
    })
  })

  it('one lane of a claim being paused leaves the others alone', async () => {
    const other = parseLaneId('others')
    const { backend, namespace } = store()
    await backend.executions.submit({ namespace, items: [store().aSolo(), store().aSolo({ lane: other })] })
    await setState('paused')
    const worker = new WorkerDriver(store(), { lanes: [lane, other], kinds: [parseKind('work')] })
    expect((await worker.claim()).map((lease) => lease.lane)).toEqual([other])
  })

  it('refuses a state that there is not, and a name that is none', async () => {
    const { backend, namespace } = store()
    await expect(backend.lanes.setState({ namespace, lane, state: 'closed' as never })).rejects.toMatchObject(
      {
        kind: 'validation',
      },
    )
    await expect(
      backend.lanes.setState({ namespace, lane: 'no lane' as never, state: 'paused' }),
    ).rejects.toMatchObject({ code: 'invalid_lane_id' })
    expect((await backend.lanes.list({ namespace })).lanes.filter(({ state }) => state !== 'active')).toEqual(
      [],
    )
  })
})
