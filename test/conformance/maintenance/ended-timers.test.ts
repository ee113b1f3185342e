import type { ExecutionId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

const dayMs = 86_400_000

describe('what has ended leaves no timer behind', () => {
  const store = useStore({ partitions: { flow: 1 } })

  async function trim(): Promise<void> {
    for (const partition of store().partitions) {
      let more = true
      while (more) more = (await store().backend.maintenance.trimRetention({ partition, max: 100 })).more
    }
  }

  const bounds = { timeouts: { deadlineMs: 50_000, attemptTimeoutMs: 40_000, queueTtlMs: 30_000 } }

  /** Ways to end while something else was still waited for. */
  const ways: readonly (readonly [string, () => Promise<ExecutionId>])[] = [
    [
      'a cancel of what was delayed',
      async () => {
        const id = await submitOne(store(), { ...bounds, delayMs: 20_000 })
        await cancel(id)
        return id
      },
    ],
    [
      'a cancel of what ran',
      async () => {
        const id = await submitOne(store(), bounds)
        await new WorkerDriver(store()).claimOne({ leaseTtlMs: 10_000 })
        await cancel(id)
        return id
      },
    ],
    [
      'a completion',
      async () => {
        const id = await submitOne(store(), bounds)
        const worker = new WorkerDriver(store())
        await worker.complete((await worker.claimOne({ leaseTtlMs: 10_000 })).handle)
        return id
      },
    ],
    [
      'a failure',
      async () => {
        const id = await submitOne(store(), bounds)
        const worker = new WorkerDriver(store())
        await worker.fail((await worker.claimOne({ leaseTtlMs: 10_000 })).handle, { retry: 'never' })
        return id
      },
    ],
    [
      'a queue that took too long',
      async () => {
        const id = await submitOne(store(), bounds)
        await store().pass(30_000)
        return id
      },
    ],
    [
      'one lost lease too many',
      async () => {
        const id = await submitOne(store(), { ...bounds, maxReclaims: 0 })
        await new WorkerDriver(store()).claimOne({ leaseTtlMs: 10_000 })
        await store().pass(10_000)
        return id
      },
    ],
  ]

  it.each(ways)(
    '%s: nothing is due any more, it is kept for its whole retention, and then it goes',
    async (_, end) => {
      await store().settle()
      await trim()
      const id = await end()
      const ended = await readOne(store(), id)
      expect(ended.terminalAtMs).toBe(await store().nowMs())
      const { partitions, nowMs } = await store().backend.maintenance.pulse({
        partitions: store().partitions,
      })
      for (const { pending, nextDueAtMs } of partitions) {
        expect(pending.filter((work) => work === 'timers' || work === 'retention')).toEqual([])
        expect(nextDueAtMs ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(nowMs + dayMs)
      }
      await store().pass(dayMs - 1)
      await trim()
      expect(await readOne(store(), id)).toEqual(ended)
      await store().pass(1)
      await trim()
      const { backend, namespace } = store()
      expect(await codeOf(backend.executions.get({ namespace, id }))).toBe('execution_not_found')
    },
  )

  async function cancel(id: ExecutionId): Promise<void> {
    const { backend, namespace } = store()
    expect((await backend.executions.cancel({ namespace, id })).outcome).toBe('cancelled')
  }
})
