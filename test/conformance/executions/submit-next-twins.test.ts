import {
  type ClaimedExecution,
  type ClaimRequest,
  type Execution,
  type ExecutionId,
  type ExecutionSubmission,
  must,
  parseLaneId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { steadyRetry, submitOne } from '../../support/builders.js'
import { takeSnapshot } from '../../support/snapshot.js'
import { useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'
import { everyOption } from './every-option.js'

describe('executions.submit with next is submit, then claim', () => {
  const store = useStore()
  const submit = (next: ClaimRequest, ...items: ExecutionSubmission[]) =>
    store().backend.executions.submit({ namespace: store().namespace, items, next })
  const configure = (settings: object) =>
    store().backend.lanes.configure({ namespace: store().namespace, lane: parseLaneId('solos'), settings })

  /** The same work twice: submitted and then claimed, and submitted with the claim. */
  async function handOutTwins(more: Partial<ExecutionSubmission> = everyOption) {
    const worker = new WorkerDriver(store(), { capabilities: ['gpu', 'arm'], leaseTtlMs: 9_000 })
    await submitOne(store(), more)
    const apart = await worker.claimOne()
    const { claimed } = await submit(worker.request(), store().aSolo(more))
    expect(claimed).toHaveLength(1)
    return { worker, twins: [apart, must(claimed[0], 'a lease')] as const }
  }

  /** What the store shows of an execution, without its id. */
  async function pictureOf(id: ExecutionId): Promise<unknown> {
    const { executions } = await takeSnapshot(store().backend, store().namespace)
    const own = executions.find((execution) => (execution as Execution).id === id)
    return JSON.parse(JSON.stringify(must(own, 'the execution')).replaceAll(id, 'its id'))
  }

  async function expectAlike([apart, together]: readonly [ClaimedExecution, ClaimedExecution]) {
    expect(await pictureOf(together.executionId)).toEqual(await pictureOf(apart.executionId))
  }

  const withoutNames = ({ executionId: _, handle: _handle, ...lease }: ClaimedExecution) => lease

  type Life = (
    worker: WorkerDriver,
    each: (act: (handle: string, id: ExecutionId) => Promise<unknown>) => Promise<void>,
  ) => Promise<unknown>
  /** What may happen to it next; what it is then is compared, and what is claimable once more. */
  const lives: Readonly<Record<string, Life>> = {
    'it runs': async () => {},
    'it completes': (worker, each) => each((handle) => worker.complete(handle, 'out')),
    'it fails and is tried again': async (worker, each) => {
      await each((handle) => worker.fail(handle))
      await store().pass(1_000)
    },
    'it fails for good': (worker, each) =>
      each((handle) => worker.fail(handle, { failure: { category: 'fatal', message: 'no' } })),
    'it is put aside for a while': async (worker, each) => {
      const untilMs = (await store().nowMs()) + 4_000
      await store().advance(1_500)
      await each((handle) => worker.delay(handle, untilMs))
      await store().pass(4_000)
    },
    'it is yielded': (worker, each) => each((handle) => worker.yield(handle)),
    'it is yielded, and the queue’s time is over': async (worker, each) => {
      await each((handle) => worker.yield(handle))
      await store().pass(3_000)
    },
    'it journals and reports': (worker, each) =>
      each(async (handle) => {
        await worker.step(handle, 'a', 'kept')
        await worker.progress(handle, 40, 'half way')
      }),
    'it is renewed': async (worker, each) => {
      await store().advance(1_000)
      await each((handle) => worker.renew(handle))
    },
    'the queue’s time is over': () => store().pass(3_000),
    'its attempt times out': async (worker, each) => {
      await each((handle) => worker.renew(handle))
      await store().pass(10_000)
    },
    'its second attempt times out too': async (worker, each) => {
      await each((handle) => worker.renew(handle))
      await store().pass(10_000)
      await store().pass(1_000)
      await worker.claim({ leaseTtlMs: 60_000 })
      await store().pass(10_000)
    },
    'its lease expires': () => store().pass(9_000),
    'its holder completes it after that': async (worker, each) => {
      await store().pass(9_000)
      await each((handle) => worker.complete(handle, 'late'))
    },
    'its lease is lost more often than it may': async (worker) => {
      await store().pass(9_000)
      await worker.claim({ leaseTtlMs: 1_000 })
      await store().pass(1_000)
    },
    'its lease is revoked': (_, each) =>
      each((_handle, id) => store().backend.leases.revoke({ namespace: store().namespace, id })),
    'its deadline comes': () => store().pass(100_000),
    'it is cancelled': (_, each) =>
      each((_handle, id) => store().backend.executions.cancel({ namespace: store().namespace, id })),
    'it is asked to stop, and doesn’t': async (_, each) => {
      await each((_handle, id) =>
        store().backend.executions.cancel({ namespace: store().namespace, id, graceMs: 2_000 }),
      )
      await store().pass(2_000)
    },
    'it is replayed': async (worker, each) => {
      await each((handle) => worker.complete(handle, 'out'))
      await store().advance(500)
      await each((_handle, id) => store().backend.executions.replay({ namespace: store().namespace, id }))
    },
  }

  // A lane that tells everything is told of two transitions.
  describe.each(['terminal', 'all'] as const)('in a lane with the event level %s', (eventLevel) => {
    it('and answers the same lease', async () => {
      await configure({ eventLevel })
      const { twins } = await handOutTwins()
      expect(withoutNames(twins[1])).toEqual(withoutNames(twins[0]))
    })

    it.each(Object.keys(lives))('also when %s', async (name) => {
      await configure({ eventLevel })
      const { worker, twins } = await handOutTwins()
      const life = must(lives[name], 'a life')
      await life(worker, async (act) => {
        for (const { handle, executionId } of twins) await act(handle, executionId)
      })
      await expectAlike(twins)
      const again = await worker.claim()
      expect(again.map(withoutNames)).toEqual(
        again.slice(0, 1).flatMap((one) => Array(2).fill(withoutNames(one))),
      )
      await expectAlike(twins)
    })
  })

  it('also for what states nothing but its name', async () => {
    const { worker, twins } = await handOutTwins({ retry: steadyRetry() })
    expect(withoutNames(twins[1])).toEqual(withoutNames(twins[0]))
    await expectAlike(twins)
    await store().pass(9_000)
    expect(await worker.claim()).toHaveLength(2)
    await expectAlike(twins)
  })
})
