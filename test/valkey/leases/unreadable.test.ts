import { type ExecutionId, isEngineError, parseNamespace, type TimerItem, uuidOf } from '@flowfabric/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTestBackend, type ValkeyInside } from '../../support/backends.js'
import { submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { inNamespace } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

async function open() {
  const opened = await createTestBackend({ name: 'valkey', partitions: { flow: 1 } })
  onTestFinished(() => opened.close())
  const { send, keyPrefix } = opened.inside as ValkeyInside
  const store = inNamespace(opened, parseNamespace('unreadable'))
  const drain = async (max = 500) =>
    store.backend.maintenance.drainTimers({ partition: '{fp:0}' as never, max })
  return {
    store,
    worker: new WorkerDriver(store),
    drain,
    garble: (id: ExecutionId) => send('SET', `${keyPrefix}:exec:{fp:0}:${uuidOf(id)}:core`, 'garbage'),
    garbleFlow: (id: string) => send('SET', `${keyPrefix}:flow:{fp:0}:${id}:core`, 'garbage'),
  }
}

const shortly = ({ outcome, timer, id }: TimerItem) => `${outcome} ${timer} ${id}`
const codeOf = (item: { readonly outcome: string; readonly error?: unknown }) =>
  isEngineError(item.error) ? item.error.code : item.outcome

describe('an execution that does not decode', () => {
  it('is not handed out, and keeps nothing back that comes after it', async () => {
    const { store, worker, garble } = await open()
    const [bad, good] = [await submitOne(store), await submitOne(store)]
    await garble(bad)
    expect((await worker.claim()).map(({ executionId }) => executionId)).toEqual([good])
  })

  it('is the error of its own item in what a holder writes', async () => {
    const { store, worker, garble } = await open()
    for (let n = 0; n < 3; n += 1) await submitOne(store)
    const leases = await worker.claim()
    const bad = leases[1]
    if (bad === undefined) throw new Error('three leases')
    await garble(bad.executionId)
    const scope = { namespaces: [store.namespace] }
    const handles = leases.map(({ handle }) => ({ handle }))
    const { leases: operations, attempts } = store.backend
    const answers = [
      await operations.renew({ ...scope, items: handles.map((each) => ({ ...each, leaseTtlMs: 5_000 })) }),
      await attempts.recordProgress({ ...scope, items: handles.map((each) => ({ ...each, percent: 1 })) }),
      await operations.complete({ ...scope, items: handles.map((each) => ({ ...each, result: null })) }),
    ]
    expect(answers.map(({ items }) => items.map((item) => codeOf(item as never)))).toEqual([
      ['renewed', 'corruption', 'renewed'],
      ['recorded', 'corruption', 'recorded'],
      ['completed', 'corruption', 'completed'],
    ])
  })

  it.each([1, 500])('is told and put off by the timers, %i at a time', async (max) => {
    const { store, worker, drain, garble } = await open()
    const [bad, good] = [await submitOne(store), await submitOne(store)]
    await worker.claim({ leaseTtlMs: 1_000 })
    const [badToo, goodToo] = [
      await submitOne(store, { delayMs: 500 }),
      await submitOne(store, { delayMs: 600 }),
    ]
    await garble(bad)
    await garble(badToo)
    await store.advance(1_000)
    const items: TimerItem[] = []
    for (let more = true; more; ) {
      const part = await drain(max)
      items.push(...part.items)
      ;({ more } = part)
    }
    expect(items.map(shortly).sort()).toEqual(
      [
        `error lease_expiry ${bad}`,
        `applied lease_expiry ${good}`,
        `error delayed_promotion ${badToo}`,
        `applied delayed_promotion ${goodToo}`,
      ].sort(),
    )
    expect((await drain()).items).toEqual([])
    await store.advance(60_000)
    expect((await drain()).items).toHaveLength(2)
  })

  it('is left where it is when an instance hands back all that it holds', async () => {
    const { store, worker, garble } = await open()
    const { kinds, lanes, workerId, capabilities, namespaces } = worker.request()
    const registration = {
      namespaces,
      workerId,
      lanes,
      kinds,
      capabilities,
      concurrency: 4,
      instanceId: worker.instanceId,
    }
    await store.backend.workers.register(registration)
    for (let n = 0; n < 3; n += 1) await submitOne(store)
    const [first] = await worker.claim()
    if (first !== undefined) await garble(first.executionId)
    expect(await store.backend.workers.register(registration)).toEqual({
      outcome: 'registered',
      handedBack: 2,
    })
  })
})

describe('a flow that does not decode', () => {
  it('keeps back neither the timers nor the claims of others', async () => {
    const { store, worker, drain, garbleFlow } = await open()
    const flow = await FlowDriver.submit(store, {
      a: {},
      b: { delayMs: 500 },
      c: { timeouts: { deadlineMs: 400 } },
    })
    await garbleFlow(flow.flowId)
    const [ready, delayed] = [await submitOne(store), await submitOne(store, { delayMs: 600 })]
    const lanes = [flow.lane, store.aSolo().lane]
    const kinds = [...worker.request().kinds, 'a' as never]
    expect((await worker.claim({ lanes, kinds })).map(({ executionId }) => executionId)).toEqual([ready])
    await store.advance(1_000)
    expect((await drain()).items.map(shortly).sort()).toEqual(
      [
        `applied delayed_promotion ${delayed}`,
        `error delayed_promotion ${flow.id('b')}`,
        `error execution_deadline ${flow.id('c')}`,
      ].sort(),
    )
    expect((await drain()).items).toEqual([])
  })
})
