import { type ExecutionId, parseKind, parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { OperationDriver, readAll, submitSolos } from '../support/operation-driver.js'
import { rounds } from '../support/soak.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, useSessions, Ways } from './use-sessions.js'

/** All of it in a soak; in `npm test` as many as there are moments to meet, for each of three changes. */
const bulkRounds = Math.max(60, rounds(1_000))
const tag = 'race.round'

/**
 * An operation is several calls, its user's change is one: it begins at another share of the time that the operation took
 * the round before, so that it meets each of them, however fast the machine.
 */
class Meeting {
  #spanMs = 0

  async timed<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const startMs = performance.now()
    const answer = await work()
    this.#spanMs = performance.now() - startMs
    return answer
  }

  async afterShare<Answer>(round: number, work: () => Promise<Answer>): Promise<Answer> {
    const startMs = performance.now() + (((round * 7) % 20) / 16) * this.#spanMs
    while (performance.now() < startMs) await new Promise(setImmediate)
    return work()
  }
}

describe('races of bulk operations', () => {
  const sessions = useSessions()

  it('bulk cancel/user’s own change: each execution ends once, by one of them', {
    timeout: 240_000,
  }, async () => {
    const { store, one, two } = sessions()
    const { namespace } = store
    const lane = parseLaneId('bulk')
    const ways = new Ways()
    const meeting = new Meeting()
    for (let round = 0; round < bulkRounds; round += 1) {
      const kind = parseKind(`k${round}`)
      const ids = await submitSolos(store, 3, { lane, kind, tags: { [tag]: String(round) } })
      const [id] = ids as readonly [ExecutionId, ...ExecutionId[]]
      const worker = new WorkerDriver({ ...store, backend: two }, { lanes: [lane], kinds: [kind], max: 1 })
      const lease = await worker.claimOne()
      const work = { kind: 'cancel', filter: { tags: { [tag]: String(round) }, kind } } as const
      const operation = await OperationDriver.begin(store, work)
      const changes = {
        complete: async () => (await worker.complete(lease.handle)).outcome,
        cancel: async () => (await two.executions.cancel({ namespace, id })).outcome,
        untag: async () => (await two.executions.setTags({ namespace, id, remove: [tag] })).outcome,
      } as const
      const change = (['complete', 'cancel', 'untag'] as const)[round % 3] as keyof typeof changes
      const [, outcome] = await race(
        Math.floor(round / 3),
        () => meeting.timed(() => operation.advance(500, one.operations)),
        () => meeting.afterShare(round, changes[change]),
      )
      const { done, unchanged, failed, state } = await operation.run()
      const executions = await readAll(store, ids)
      const cancelled = executions.filter(({ publicState }) => publicState === 'cancelled').length
      const completed = executions.filter(({ publicState }) => publicState === 'completed').length
      expect([state, failed]).toEqual(['completed', 0])
      expect(executions.map(({ generation }) => generation)).toEqual([1, 1, 1])
      if (change === 'complete') {
        expect(completed).toBe(outcome === 'completed' ? 1 : 0)
        expect([done, cancelled]).toEqual([3 - completed, 3 - completed])
        expect(unchanged).toBeLessThanOrEqual(completed)
      } else {
        // One that the user cancelled first was passed over, or is as it was wanted; one without its tag is spared, or was too late.
        expect(cancelled - done).toBeLessThanOrEqual(change === 'cancel' ? 1 : 0)
        expect(cancelled).toBeGreaterThanOrEqual(change === 'cancel' ? 3 : 2)
      }
      ways.saw(`${change}: ${outcome}, ${done} done, ${unchanged} unchanged`)
    }
    expect(Object.keys(ways.all).filter((way) => way.startsWith('complete')).length).toBeGreaterThan(1)
  })

  it('bulk replay/user’s own replay: each runs once more, whoever was first', {
    timeout: 240_000,
  }, async () => {
    const { store, one, two } = sessions()
    const { namespace } = store
    const lane = parseLaneId('bulk')
    const ways = new Ways()
    const meeting = new Meeting()
    for (let round = 0; round < bulkRounds; round += 1) {
      const kind = parseKind(`r${round}`)
      const ids = await submitSolos(store, 3, { lane, kind })
      await Promise.all(ids.map((id) => one.executions.cancel({ namespace, id })))
      const [id] = ids as readonly [ExecutionId, ...ExecutionId[]]
      const operation = await OperationDriver.begin(store, {
        kind: 'replay',
        filter: { kind, states: ['cancelled'] },
      })
      // What ends from here on is later than its begin.
      await store.advance(1)
      const [, user] = await race(
        round,
        () => meeting.timed(() => operation.advance(500, one.operations)),
        async () => {
          const replayed = await meeting.afterShare(round, () => two.executions.replay({ namespace, id }))
          // It ends again at once: what the operation has in hand is of the generation before.
          if (round % 4 < 2) await two.executions.cancel({ namespace, id })
          return replayed
        },
      )
      const { done, unchanged, failed } = await operation.run()
      const executions = await readAll(store, ids)
      expect(executions.map(({ generation }) => generation)).toEqual([2, 2, 2])
      expect([unchanged, failed]).toEqual([0, 0])
      expect(done).toBeGreaterThanOrEqual(2)
      ways.saw(`${user.outcome}, ${done} done`)
    }
    expect(Object.keys(ways.all).length).toBeGreaterThan(1)
  })

  it('advance/advance, pause/advance: a batch counts once, and a pause is never lost', {
    timeout: 240_000,
  }, async () => {
    const { store, one, two } = sessions()
    const lane = parseLaneId('bulk')
    const ways = new Ways()
    for (let round = 0; round < bulkRounds; round += 1) {
      const kind = parseKind(`p${round}`)
      await submitSolos(store, 4, { lane, kind })
      const operation = await OperationDriver.begin(store, { kind: 'cancel', filter: { kind } })
      const isPause = round % 2 === 0
      const [item, other] = await race(
        Math.floor(round / 2),
        () => operation.advance(2, one.operations),
        async () =>
          isPause
            ? (await two.operations.pause(operation.name)).outcome
            : (await operation.advance(2, two.operations))?.outcome,
      )
      const between = await operation.read()
      if (isPause) {
        expect(between.state).toBe('paused')
        expect(await operation.advance(500, two.operations)).toBeUndefined()
        expect((await operation.read()).done).toBe(between.done)
        await two.operations.resume(operation.name)
      }
      expect(await operation.run()).toMatchObject({ state: 'completed', done: 4, unchanged: 0, failed: 0 })
      ways.saw(`${isPause}: ${item?.outcome} ${other}`)
    }
    expect(Object.keys(ways.all).length).toBeGreaterThan(2)
  })
})
