import { type ExecutionId, parseLaneId, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, steadyRetry, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

describe('executions.changePriority', () => {
  const store = useStore()
  const change = (id: ExecutionId, priority: number) =>
    store().backend.executions.changePriority({ namespace: store().namespace, id, priority })

  it('moves what waits to its new place', async () => {
    const first = await submitOne(store())
    const second = await submitOne(store())
    const third = await submitOne(store(), { priority: 5 })
    expect(await change(second, 9_000)).toEqual({ outcome: 'changed' })
    expect(await change(third, 0)).toEqual({ outcome: 'changed' })
    const order = (await new WorkerDriver(store()).claim()).map(({ executionId }) => executionId)
    expect(order).toEqual([second, first, third])
  })

  it('counts for what is not eligible yet, once it is', async () => {
    const plain = await submitOne(store(), { delayMs: 1_000 })
    const urgent = await submitOne(store(), { delayMs: 2_000 })
    await change(urgent, 1)
    await store().pass(2_000)
    const order = (await new WorkerDriver(store()).claim()).map(({ executionId }) => executionId)
    expect(order).toEqual([urgent, plain])
  })

  it('counts for the later attempts of what runs', async () => {
    const id = await submitOne(store(), { retry: steadyRetry() })
    const worker = new WorkerDriver(store())
    const { handle } = await worker.claimOne()
    expect(await change(id, 3)).toEqual({ outcome: 'changed' })
    const rival = await submitOne(store(), { priority: 2 })
    await worker.fail(handle, { retry: { afterMs: 0 } })
    const order = (await worker.claim()).map(({ executionId }) => executionId)
    expect(order).toEqual([id, rival])
  })

  it("steps by the lane's ageing, so that age outweighs priority", async () => {
    const lane = parseLaneId('ageing')
    const { backend, namespace } = store()
    await backend.lanes.configure({ namespace, lane, settings: { ageingMs: 1_000 } })
    const old = await submitOne(store(), { lane })
    await store().advance(5_000)
    const young = await submitOne(store(), { lane })
    await change(young, 4)
    const [first] = await new WorkerDriver(store(), { lanes: [lane] }).claim({ max: 1 })
    expect(first?.executionId).toBe(old)
  })

  it('is refused for what has ended', async () => {
    const id = await submitOne(store())
    await store().backend.executions.cancel({ namespace: store().namespace, id })
    expect(await change(id, 1)).toEqual({ outcome: 'execution_terminal', terminalOutcome: 'cancelled' })
    expect((await readOne(store(), id)).priority).toBe(0)
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const id = await submitOne(store())
    expect(await codeOf(change(store().aSolo().id, 1))).toBe('execution_not_found')
    const foreign = store().backend.executions.changePriority({
      namespace: parseNamespace('foreign'),
      id,
      priority: 1,
    })
    expect(await codeOf(foreign)).toBe('execution_not_found')
    for (const priority of [-1, 9_001, 0.5, Number.NaN]) {
      expect(await codeOf(change(id, priority))).toBe('invalid_priority')
    }
    expect((await readOne(store(), id)).priority).toBe(0)
  })
})
