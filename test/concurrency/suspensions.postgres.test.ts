import {
  type ExecutionId,
  mintExecutionId,
  parseLaneId,
  partitionIndexOf,
  partitionTagOf,
  type ResumeCondition,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne, submitOne } from '../support/builders.js'
import { submitSolos } from '../support/operation-driver.js'
import { onSignal, SuspensionDriver } from '../support/suspension-driver.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, raceRounds, useSessions, Ways } from './use-sessions.js'

const lane = parseLaneId('raced-children')

describe('races over suspensions', () => {
  const sessions = useSessions()

  /** The same driver through each of two processes. */
  function drivers() {
    const { store, two } = sessions()
    return [new SuspensionDriver(store), new SuspensionDriver({ ...store, backend: two })] as const
  }

  const stateOf = async (id: Parameters<typeof readOne>[1]) =>
    (await readOne(sessions().store, id)).publicState

  it('signal/signal: each counts once, and one of them resumes', async () => {
    const [one, two] = drivers()
    for (let round = 0; round < raceRounds; round += 1) {
      const waiting = await one.active()
      const waitpointId = await one.waitpoint(waiting.id)
      const condition: ResumeCondition = { kind: 'count', n: 2, of: 'signals', waitpointIds: [waitpointId] }
      await one.suspend(waiting, { condition })
      const answers = await race(
        round,
        () => one.signal(waitpointId, { name: 'a', idempotencyKey: 'a' }),
        () => two.signal(waitpointId, { name: 'b', idempotencyKey: 'b' }),
      )
      expect(answers.map(({ outcome }) => outcome).sort(), `round ${round}`).toEqual([
        'accepted',
        'satisfied',
      ])
      const { handle, resumption } = await waiting.worker.claimOne()
      expect(resumption?.signals).toHaveLength(2)
      await waiting.worker.complete(handle)
    }
  })

  it('signal/signal: one key is one signal', async () => {
    const [one, two] = drivers()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, waitpointId, worker } = await one.suspended()
      const key = { idempotencyKey: 'same' }
      const answers = await race(
        round,
        () => one.signal(waitpointId, key),
        () => two.signal(waitpointId, key),
      )
      expect(answers.map(({ outcome }) => outcome).sort(), `round ${round}`).toEqual([
        'duplicate',
        'satisfied',
      ])
      expect(await one.listSignals(id)).toHaveLength(1)
      await worker.complete((await worker.claimOne()).handle)
    }
  })

  it('signal/reconciler: what resumes under the look of a reconciler fits its indexes', async () => {
    const { store, two: backend } = sessions()
    const [one] = drivers()
    const look = async (id: ExecutionId) => {
      const { items } = await backend.maintenance.reconcileIndexes({
        partition: partitionTagOf(id),
        max: 500,
      })
      return items
    }
    // It gets to the last of a sample some time after it has begun.
    await submitSolos(store, 400, { delayMs: 3_600_000 })
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, waitpointId, worker } = await one.suspended()
      const [, found] = await race(
        round,
        () => one.signal(waitpointId),
        () => look(id),
      )
      expect(found, `round ${round}`).toEqual([])
      await worker.complete((await worker.claimOne()).handle)
    }
  })

  it('signal/timeout: one of them wins', async () => {
    const { store, two: backend } = sessions()
    const [one] = drivers()
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const timeout = { afterMs: 1_000, behaviour: 'fail' } as const
      const { id, waitpointId, worker } = await one.suspended({ timeout })
      await store.advance(1_000)
      const drain = () =>
        Promise.all(
          store.partitions.map((partition) => backend.maintenance.drainTimers({ partition, max: 500 })),
        )
      const [{ outcome }] = await race(round, () => one.signal(waitpointId), drain)
      ways.saw(`${outcome}, ${await stateOf(id)}`)
      if (outcome === 'satisfied') await worker.complete((await worker.claimOne()).handle)
    }
    ways.expectOnly(['satisfied, resumable', 'waitpoint_closed, failed'])
  })

  it('signal/cancel: it ends as cancelled, whether it was resumed before or not', async () => {
    const { store, two: backend } = sessions()
    const [one] = drivers()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, waitpointId } = await one.suspended()
      const [{ outcome }, cancelled] = await race(
        round,
        () => one.signal(waitpointId),
        () => backend.executions.cancel({ namespace: store.namespace, id }),
      )
      expect(['satisfied', 'waitpoint_closed'], `round ${round}`).toContain(outcome)
      expect([cancelled.outcome, await stateOf(id)], `round ${round}`).toEqual(['cancelled', 'cancelled'])
    }
  })

  it('suspend/signal: a signal is seen, whoever is first', async () => {
    const [one, two] = drivers()
    for (let round = 0; round < raceRounds; round += 1) {
      const waiting = await one.active()
      const waitpointId = await one.waitpoint(waiting.id)
      const [answer] = await race(
        round,
        () => one.suspend(waiting, { condition: onSignal(waitpointId) }),
        () => two.signal(waitpointId),
      )
      let { handle } = waiting
      if (answer.outcome !== 'already_satisfied') {
        expect([answer.outcome, await stateOf(waiting.id)], `round ${round}`).toEqual([
          'suspended',
          'resumable',
        ])
        const claimed = await waiting.worker.claimOne()
        expect(claimed.resumption?.signals).toHaveLength(1)
        handle = claimed.handle
      }
      await waiting.worker.complete(handle)
    }
  })

  it('suspend/suspend: two of one holder never use the same signal', async () => {
    const [one, two] = drivers()
    for (let round = 0; round < raceRounds; round += 1) {
      const waiting = await one.active()
      const waitpointId = await one.waitpoint(waiting.id)
      await one.signal(waitpointId)
      const begin = (driver: SuspensionDriver) =>
        driver.suspend(waiting, {
          condition: onSignal(waitpointId),
          resumePolicy: { closeWaitpoints: false },
        })
      const answers = await race(
        round,
        () => begin(one),
        () => begin(two),
      )
      const outcomes = answers.map(({ outcome }) => outcome).sort()
      // Whoever comes second finds it used, and waits for another.
      expect(outcomes, `round ${round}`).toEqual(['already_satisfied', 'suspended'])
    }
  })

  it("child end/parent's cancel: both end, and nothing is left to carry", async () => {
    const { store, two: backend } = sessions()
    const { namespace, partitions } = store
    const [one] = drivers()
    const ways = new Ways()
    const children = new WorkerDriver(store, { lanes: [lane] })
    for (let round = 0; round < raceRounds; round += 1) {
      const parent = await one.active()
      const child = mintExecutionId(partitionIndexOf(parent.id) === 0 ? 1 : 0)
      await submitOne(store, { id: child, lane, parent: { id: parent.id, detached: false } })
      await one.suspend(parent, { reason: 'child', condition: { kind: 'child', id: child } })
      await store.settle()
      const { handle } = await children.claimOne()
      await race(
        round,
        async () => {
          await children.complete(handle)
          for (const partition of partitions)
            await store.backend.resolution.dispatchCompletions({ partition, max: 500 })
        },
        async () => {
          await backend.executions.cancel({ namespace, id: parent.id })
          for (const partition of partitions)
            await backend.resolution.dispatchCompletions({ partition, max: 500 })
        },
      )
      await store.settle()
      ways.saw(`${await stateOf(parent.id)}, ${await stateOf(child)}`)
    }
    ways.expectOnly(['cancelled, completed', 'cancelled, cancelled'])
    const { partitions: pulses } = await backend.maintenance.pulse({ partitions })
    expect(pulses.flatMap(({ pending }) => pending)).not.toContain('outbox')
  })

  it('child end/watch: an end is heard, whoever is first', async () => {
    const { store, two: backend } = sessions()
    const [one] = drivers()
    const children = new WorkerDriver(store, { lanes: [lane] })
    for (let round = 0; round < raceRounds; round += 1) {
      const parent = await one.active()
      const stranger = mintExecutionId(partitionIndexOf(parent.id) === 0 ? 1 : 0)
      await submitOne(store, { id: stranger, lane })
      const { handle } = await children.claimOne()
      await one.suspend(parent, { reason: 'child', condition: { kind: 'child', id: stranger } })
      await race(
        round,
        () => children.complete(handle),
        () =>
          Promise.all(
            store.partitions.map((partition) =>
              backend.resolution.dispatchCompletions({ partition, max: 500 }),
            ),
          ),
      )
      await store.settle()
      expect(await stateOf(parent.id), `round ${round}`).toBe('resumable')
      await parent.worker.complete((await parent.worker.claimOne()).handle)
    }
  })
})
