import {
  type BulkOperations,
  createBulkOperations,
  type ExecutionId,
  limits,
  type OperationParts,
  type OperationWork,
  parseKind,
  parseLaneId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { OperationDriver, readAll, statesOf, submitSolos } from '../../support/operation-driver.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const lane = parseLaneId('bulk')
const running = parseKind('running')
const cancel: OperationWork = { kind: 'cancel', filter: { lane } }
const replay: OperationWork = { kind: 'replay', filter: { lane, states: ['cancelled'] } }

describe('runners of bulk operations', () => {
  const store = useStore()

  const end = async (ids: readonly ExecutionId[]) => {
    const { backend, namespace } = store()
    for (const id of ids) await backend.executions.cancel({ namespace, id })
  }

  /** The role, with something that happens around the carrying out of each batch. */
  const around = async (
    wrap: (carryOut: OperationParts['targets']['carryOut']) => OperationParts['targets']['carryOut'],
  ): Promise<BulkOperations> => {
    const parts = await store().opened.operationParts()
    return createBulkOperations({
      ...parts,
      targets: { ...parts.targets, carryOut: wrap((params) => parts.targets.carryOut(params)) },
    })
  }

  const dying = (when: 'before' | 'after') =>
    around((carryOut) => async (params) => {
      if (when === 'after') await carryOut(params)
      throw new Error('killed')
    })

  it.each([
    ['before it carried its batch out', 'before'],
    ['after it did, before that was noted', 'after'],
  ] as const)('one that dies %s: another finishes it, and each counts once', async (_, when) => {
    const ids = await submitSolos(store(), 5, { lane })
    const operation = await OperationDriver.begin(store(), cancel)
    await expect(operation.advance(3, await dying(when))).rejects.toThrow('killed')
    // Whoever decided on it may still be at it.
    expect(await operation.advance()).toBeUndefined()
    expect(await operation.read()).toMatchObject({ state: 'running', done: 0, total: 5 })
    await store().advance(limits.operationBatchRepeatMs)
    expect(await operation.run()).toMatchObject({ state: 'completed', done: 5, unchanged: 0, total: 5 })
    expect(await statesOf(store(), ids)).toEqual(Array(5).fill('cancelled'))
  })

  it('what one that died had replayed is not replayed again, also if it has ended since', async () => {
    const ids = await submitSolos(store(), 3, { lane })
    await end(ids)
    const operation = await OperationDriver.begin(store(), replay)
    await expect(operation.advance(500, await dying('after'))).rejects.toThrow('killed')
    await end(ids.slice(0, 1))
    await store().advance(limits.operationBatchRepeatMs)
    expect(await operation.run()).toMatchObject({ done: 3, unchanged: 0, failed: 0 })
    expect((await readAll(store(), ids)).map(({ generation }) => generation)).toEqual([2, 2, 2])
    expect(await statesOf(store(), ids)).toEqual(['cancelled', 'waiting', 'waiting'])
  })

  it('nor are members of flows', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.cancelMember('a')
    await store().settle()
    const members = [flow.id('a'), flow.id('b')]
    const operation = await OperationDriver.begin(store(), {
      kind: 'replay',
      filter: { flowId: flow.flowId, states: ['cancelled', 'skipped'] },
    })
    await expect(operation.advance(500, await dying('after'))).rejects.toThrow('killed')
    await flow.cancelMember('a')
    await store().settle()
    await store().advance(limits.operationBatchRepeatMs)
    expect(await operation.run()).toMatchObject({ done: 2, unchanged: 0, failed: 0 })
    expect((await readAll(store(), members)).map(({ generation }) => generation)).toEqual([2, 2])
  })

  it('a batch of which the outcome is not known is carried out again later, by anybody', async () => {
    const ids = await submitSolos(store(), 2, { lane })
    const operation = await OperationDriver.begin(store(), cancel)
    const lost = await around(() => () => Promise.reject(new Error('the connection is lost')))
    await expect(operation.advance(500, lost)).rejects.toThrow('lost')
    const { backend } = store()
    const { partitions } = await backend.maintenance.pulse({ partitions: [operation.partition] })
    expect(partitions[0]?.nextDueAtMs).toBe((await store().nowMs()) + limits.operationBatchRepeatMs)
    await store().advance(limits.operationBatchRepeatMs)
    expect(await operation.run()).toMatchObject({ done: 2 })
    expect(await statesOf(store(), ids)).toEqual(['cancelled', 'cancelled'])
  })

  it.each(['pause', 'stop'] as const)('%s while a batch runs: it counts, and is the last', async (change) => {
    const ids = await submitSolos(store(), 4, { lane })
    const operation = await OperationDriver.begin(store(), cancel)
    const { operations } = store().backend
    const interrupted = await around((carryOut) => async (params) => {
      await operations[change](operation.name)
      return carryOut(params)
    })
    expect(await operation.advance(2, interrupted)).toMatchObject({ outcome: 'lost_race', done: 2 })
    expect(await operation.read()).toMatchObject({
      state: change === 'pause' ? 'paused' : 'stopped',
      done: 2,
    })
    expect(await operation.advance()).toBeUndefined()
    const states = await statesOf(store(), ids)
    expect(states.filter((state) => state === 'cancelled')).toHaveLength(2)
  })

  it('two at once on a batch: it counts once', async () => {
    const ids = await submitSolos(store(), 3, { lane })
    await end(ids)
    const operation = await OperationDriver.begin(store(), replay)
    const { operations } = store().backend
    const slow = await around((carryOut) => async (params) => {
      await store().advance(limits.operationBatchRepeatMs)
      expect(await operation.advance(500, operations)).toMatchObject({ outcome: 'completed', done: 3 })
      return carryOut(params)
    })
    expect(await operation.advance(500, slow)).toMatchObject({ outcome: 'lost_race' })
    expect(await operation.read()).toMatchObject({ state: 'completed', done: 3, unchanged: 0 })
    expect((await readAll(store(), ids)).map(({ generation }) => generation)).toEqual([2, 2, 2])
  })

  it('what its user did between finding and carrying out stands', async () => {
    const { backend, namespace } = store()
    const [completed] = await submitSolos(store(), 1, { lane, kind: running })
    const [ended, left] = await submitSolos(store(), 2, { lane })
    const ids = [completed, ended, left] as readonly ExecutionId[]
    const worker = new WorkerDriver(store(), { lanes: [lane], kinds: [running] })
    const lease = await worker.claimOne()
    const operation = await OperationDriver.begin(store(), cancel)
    const interrupted = await around((carryOut) => async (params) => {
      await worker.complete(lease.handle)
      await backend.executions.cancel({ namespace, id: ended as ExecutionId })
      return carryOut(params)
    })
    await operation.advance(500, interrupted)
    expect(await operation.run()).toMatchObject({ done: 2, unchanged: 1, failed: 0, total: 3 })
    expect(await statesOf(store(), ids)).toEqual(['completed', 'cancelled', 'cancelled'])
  })

  it.each([
    ['cancel_pending', ['cancelled', 'active'], { done: 1, unchanged: 1 }],
    ['fail_running', ['cancelled', 'failed'], { done: 2, unchanged: 0 }],
  ] as const)(
    'a breached budget with %s: what one that died has done counts',
    async (rule, states, counts) => {
      const budgetId = await new AdmissionDriver(store()).budget(10)
      const budgets = [{ budgetId }]
      const ids = [
        ...(await submitSolos(store(), 1, { lane, budgets })),
        ...(await submitSolos(store(), 1, { lane, budgets, kind: running })),
      ]
      await new WorkerDriver(store(), { lanes: [lane], kinds: [running] }).claimOne()
      const operation = await OperationDriver.begin(store(), { kind: 'budget_breach', budgetId, rule })
      await expect(operation.advance(500, await dying('after'))).rejects.toThrow('killed')
      await store().advance(limits.operationBatchRepeatMs)
      expect(await operation.advance()).toMatchObject({ outcome: 'completed', ...counts })
      expect(await statesOf(store(), ids)).toEqual(states)
    },
  )
})
