import {
  type ClaimedExecution,
  type ExecutionId,
  type ExecutionSubmission,
  type FoundationBackend,
  isEngineError,
  type LaneState,
  must,
  type SubmitExecutionsResult,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne, submitOne } from '../support/builders.js'
import { rounds } from '../support/soak.js'
import type { TestStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, useSessions, Ways } from './use-sessions.js'

const carriedRounds = rounds(1_000)

// Where a lane tells everything, work is never accepted and leased in one insert.
describe.each(['terminal', 'all'] as const)('races over a submit with next, event level %s', (eventLevel) => {
  const sessions = useSessions()

  async function open() {
    const { store, one, two } = sessions()
    const { lane } = store.aSolo()
    await one.lanes.configure({ namespace: store.namespace, lane, settings: { eventLevel } })
    return { store, one, two, lane, mine: new WorkerDriver(store), others: new WorkerDriver(store) }
  }

  it('submit/submit: each execution is leased once, and none is left behind', async () => {
    const { store, one, two, mine, others } = await open()
    const ways = new Ways()
    for (let round = 0; round < carriedRounds; round += 1) {
      const max = round % 3 === 0 ? 1 : 3
      const [first, second] = [store.aSolo(), store.aSolo()]
      const [a, b] = await race(
        round,
        () => submit(store, one, first, mine.request({ max })),
        () => submit(store, two, second, others.request({ max })),
      )
      expect([a.items, b.items]).toEqual([[accepted(first)], [accepted(second)]])
      ways.saw(`${a.claimed.length} and ${b.claimed.length}`)
      await endAll(store, round, [first.id, second.id], [...a.claimed, ...b.claimed, ...(await mine.claim())])
    }
    ways.expectOnly(['1 and 1', '2 and 0', '0 and 2'])
  })

  it('submit/claim: what was ready before goes to one of them, and what is new too', async () => {
    const { store, one, two, mine, others } = await open()
    const ways = new Ways()
    for (let round = 0; round < carriedRounds; round += 1) {
      const older = round % 2 === 0 ? [await submitOne(store)] : []
      const fresh = store.aSolo()
      const [a, b] = await race(
        round >> 1,
        () => submit(store, one, fresh, mine.request({ max: 1 })),
        () => two.leases.claim(others.request()),
      )
      expect(a.items).toEqual([accepted(fresh)])
      const claimed = b.outcome === 'claimed' ? b.leases : []
      ways.saw(`${older.length} older: ${a.claimed.length} and ${claimed.length}`)
      const rest = await mine.claim()
      await endAll(store, round, [...older, fresh.id], [...a.claimed, ...claimed, ...rest])
    }
    ways.expectOnly([
      '0 older: 1 and 0',
      '1 older: 1 and 0',
      '1 older: 1 and 1',
      '1 older: 0 and 1',
      '1 older: 0 and 2',
      // Between the two steps, where it isn't one.
      ...(eventLevel === 'all' ? ['0 older: 0 and 1'] : []),
    ])
  })

  it('submit/submit of one id: it is accepted once and leased once', async () => {
    const { store, one, two, mine, others } = await open()
    const ways = new Ways()
    for (let round = 0; round < carriedRounds; round += 1) {
      const solo = store.aSolo(round % 4 === 3 ? { idempotencyKey: `key-${round}` } : {})
      const [a, b] = await race(
        round,
        () => submit(store, one, solo, mine.request()),
        () => submit(store, two, solo, others.request()),
      )
      expect([a.items[0]?.outcome, b.items[0]?.outcome].sort()).toEqual(['accepted', 'duplicate'])
      ways.saw(`${a.claimed.length + b.claimed.length}`)
      await endAll(store, round, [solo.id], [...a.claimed, ...b.claimed, ...(await mine.claim())])
    }
    ways.expectOnly(['1', '0'])
  })

  it('a call and its repeat at once: the claim has one lease, whoever is asked', async () => {
    const { store, one, two, mine } = await open()
    for (let round = 0; round < carriedRounds; round += 1) {
      const solo = store.aSolo()
      const next = mine.request()
      const [a, b] = await race(
        round,
        () => submit(store, one, solo, next),
        () => submit(store, two, solo, next),
      )
      expect([a.items[0]?.outcome, b.items[0]?.outcome].sort()).toEqual(['accepted', 'duplicate'])
      const repeat = await mine.claim({ claimId: next.claimId })
      for (const { claimed } of [a, b]) if (claimed.length > 0) expect(claimed).toEqual(repeat)
      await endAll(store, round, [solo.id], repeat)
    }
  })

  it('submit/cancel: it is cancelled with its lease, or there was nothing to cancel yet', async () => {
    const { store, one, two, mine } = await open()
    const ways = new Ways()
    for (let round = 0; round < carriedRounds; round += 1) {
      const solo = store.aSolo()
      const [a, cancelled] = await race(
        round,
        () => submit(store, one, solo, mine.request()),
        () => tryCancel(two, store, solo.id),
      )
      expect(a.items).toEqual([accepted(solo)])
      const [lease] = a.claimed
      const end = lease === undefined ? 'not leased' : (await mine.complete(lease.handle)).outcome
      const { publicState } = await readOne(store, solo.id)
      ways.saw(`${cancelled} ${end} ${publicState}`)
    }
    ways.expectOnly([
      'execution_not_found completed completed',
      'cancelled execution_not_active cancelled',
      // Between the two steps, where it isn't one.
      'cancelled not leased cancelled',
    ])
  })

  it.each<LaneState>(['paused', 'draining', 'disabled'])(
    'submit/a lane becomes %s: once that was answered, nothing new of it is handed out',
    async (laneState) => {
      const { store, one, two, lane, mine, others } = await open()
      const { namespace } = store
      const ways = new Ways()
      for (let round = 0; round < carriedRounds; round += 1) {
        const [first, second] = [store.aSolo(), store.aSolo()]
        const [a, b] = await race(
          round,
          () => submit(store, one, first, mine.request()),
          async () => {
            await two.lanes.setState({ namespace, lane, state: laneState })
            const seen = await stateIn(two, store, first.id)
            return { ...(await submit(store, two, second, others.request())), seen }
          },
        )
        // What was handed out, or accepted at least, had been so when the answer came.
        if (a.claimed.length > 0 && laneState !== 'draining') expect(b.seen, `round ${round}`).toBe('active')
        if (a.items[0]?.outcome === 'accepted' && laneState !== 'paused')
          expect(b.seen, `round ${round}`).not.toBe('execution_not_found')
        ways.saw(
          `${a.items[0]?.outcome} ${a.claimed.length}, then ${b.items[0]?.outcome} ${b.claimed.length}`,
        )
        await one.lanes.setState({ namespace, lane, state: 'active' })
        const taken = [
          ...(a.items[0]?.outcome === 'accepted' ? [first.id] : []),
          ...(b.items[0]?.outcome === 'accepted' ? [second.id] : []),
        ]
        await endAll(store, round, taken, [...a.claimed, ...b.claimed, ...(await mine.claim())])
      }
      ways.expectOnly(
        {
          active: [],
          paused: ['accepted 1, then accepted 0', 'accepted 0, then accepted 0'],
          draining: [
            'accepted 1, then lane_not_accepting 0',
            'lane_not_accepting 0, then lane_not_accepting 0',
            // What was accepted before is worked off, by whoever claims first.
            'accepted 0, then lane_not_accepting 1',
          ],
          disabled: [
            'accepted 1, then lane_not_accepting 0',
            'lane_not_accepting 0, then lane_not_accepting 0',
            'accepted 0, then lane_not_accepting 0',
          ],
        }[laneState],
      )
    },
  )

  it('submit/a lane gets a cap: never more than that is active from then on', async () => {
    const { store, one, two, lane, mine, others } = await open()
    const { namespace } = store
    const configure = (backend: FoundationBackend, concurrency: number | null) =>
      backend.lanes.configure({ namespace, lane, settings: { concurrency } })
    const ways = new Ways()
    for (let round = 0; round < carriedRounds; round += 1) {
      const [first, second] = [store.aSolo(), store.aSolo()]
      const [a, b] = await race(
        round,
        () => submit(store, one, first, mine.request()),
        async () => {
          await configure(two, 1)
          return submit(store, two, second, others.request())
        },
      )
      ways.saw(`${a.claimed.length + b.claimed.length}`)
      // And two at once under the cap.
      const more = [store.aSolo(), store.aSolo()]
      const [c, d] = await race(
        round,
        () => submit(store, one, must(more[0], 'an item'), mine.request()),
        () => submit(store, two, must(more[1], 'an item'), others.request()),
      )
      expect([c.claimed, d.claimed]).toEqual([[], []])
      await configure(one, null)
      const ids = [first, second, ...more].map(({ id }) => id)
      await endAll(store, round, ids, [...a.claimed, ...b.claimed, ...(await mine.claim())])
    }
    ways.expectOnly(['1'])
  })

  it('two at once under a cap that has room for one: one is handed out', async () => {
    const { store, one, two, lane, mine, others } = await open()
    const { namespace } = store
    await one.lanes.configure({ namespace, lane, settings: { concurrency: 1 } })
    for (let round = 0; round < carriedRounds; round += 1) {
      const [first, second] = [store.aSolo(), store.aSolo()]
      const [a, b] = await race(
        round,
        () => submit(store, one, first, mine.request()),
        () => submit(store, two, second, others.request()),
      )
      expect([...a.claimed, ...b.claimed], `round ${round}`).toHaveLength(1)
      await endAll(store, round, [], [...a.claimed, ...b.claimed])
      const rest = await mine.claim()
      expect(new Set([...a.claimed, ...b.claimed, ...rest].map(({ executionId }) => executionId))).toEqual(
        new Set([first.id, second.id]),
      )
      await endAll(store, round, [], rest)
    }
  })
})

const accepted = ({ id }: ExecutionSubmission) => ({ outcome: 'accepted', id })

function submit(
  { namespace }: TestStore,
  backend: FoundationBackend,
  item: ExecutionSubmission,
  next: ReturnType<WorkerDriver['request']>,
): Promise<SubmitExecutionsResult> {
  return backend.executions.submit({ namespace, items: [item], next })
}

async function stateIn({ executions }: FoundationBackend, { namespace }: TestStore, id: ExecutionId) {
  return orCode(async () => (await executions.get({ namespace, id })).execution.publicState)
}

async function tryCancel({ executions }: FoundationBackend, { namespace }: TestStore, id: ExecutionId) {
  return orCode(async () => (await executions.cancel({ namespace, id })).outcome)
}

async function orCode(call: () => Promise<string>): Promise<string> {
  try {
    return await call()
  } catch (error) {
    if (isEngineError(error)) return error.code
    throw error
  }
}

/** All of these were leased, each once; and each of the leases is worth something. */
async function endAll(
  { backend, namespace }: TestStore,
  round: number,
  ids: readonly ExecutionId[],
  leases: readonly ClaimedExecution[],
): Promise<void> {
  const got = leases.map(({ executionId }) => executionId)
  expect(new Set(got).size, `round ${round}`).toBe(got.length)
  if (ids.length > 0) expect(new Set(got), `round ${round}`).toEqual(new Set(ids))
  const items = leases.map(({ handle }) => ({ handle, result: null }))
  const done = await backend.leases.complete({ namespaces: [namespace], items })
  expect(done.items.map(({ outcome }) => outcome)).toEqual(items.map(() => 'completed'))
}
