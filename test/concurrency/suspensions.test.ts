import { setTimeout } from 'node:timers/promises'
import {
  type FoundationBackend,
  mintSignalId,
  must,
  partitionIndexOf,
  type WaitpointId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { readOne } from '../support/builders.js'
import { onSignal, SuspensionDriver } from '../support/suspension-driver.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, raceRounds, useSessions, Ways } from './use-sessions.js'

describe('races over suspensions', () => {
  const sessions = useSessions()

  const signal = async (
    backend: FoundationBackend,
    waitpointId: WaitpointId,
    more: { readonly key?: string; readonly source?: string } = {},
  ) => {
    const { namespace } = sessions().store
    const { key = Math.random().toString(36), source = null } = more
    const { outcome } = await backend.suspensions.deliverSignal({
      namespace,
      waitpointId,
      signalId: mintSignalId(partitionIndexOf(waitpointId)),
      name: 'go',
      payload: null,
      idempotencyKey: key,
      source,
    })
    return outcome
  }

  const finish = async ({ id, worker }: Awaited<ReturnType<SuspensionDriver['active']>>) => {
    const { handle, executionId, resumption } = await worker.claimOne()
    expect(executionId).toBe(id)
    await worker.complete(handle)
    return must(resumption, `how ${id} was resumed`)
  }

  it('is judged by what stands, whatever its process has seen before', async () => {
    const { store, two } = sessions()
    const [here, away] = [new SuspensionDriver(store), new SuspensionDriver({ ...store, backend: two })]
    const { waitpointId, worker } = await here.suspended({ resumePolicy: { closeWaitpoints: false } })
    expect((await away.signal(waitpointId, { idempotencyKey: 'away' })).outcome).toBe('satisfied')
    const { handle, executionId } = await worker.claimOne()
    const condition = { kind: 'count', n: 2, of: 'signals', waitpointIds: [waitpointId] } as const
    const again = await away.suspend({ id: executionId, handle }, { condition })
    expect(again.outcome).toBe('suspended')
    expect((await here.signal(waitpointId)).outcome).toBe('accepted')
    expect((await readOne(store, executionId)).publicState).toBe('suspended')
    expect((await here.signal(waitpointId)).outcome).toBe('satisfied')
  })

  it('signal/signal: one of two under the same key is kept', async () => {
    const { store, one, two } = sessions()
    const driver = new SuspensionDriver(store)
    for (let round = 0; round < raceRounds; round += 1) {
      const waiting = await driver.suspended()
      const key = 'same'
      const outcomes = await race(
        round,
        () => signal(one, waiting.waitpointId, { key }),
        () => signal(two, waiting.waitpointId, { key }),
      )
      expect([...outcomes].sort(), `round ${round}`).toEqual(['duplicate', 'satisfied'])
      expect((await finish(waiting)).signals).toHaveLength(1)
    }
  })

  it('signal with a claim that waits/claim: what it resumes is handed out once', async () => {
    const { store, one, two } = sessions()
    const driver = new SuspensionDriver(store)
    const others = new WorkerDriver({ ...store, backend: two })
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, waitpointId, worker } = await driver.suspended()
      const waiting = new AbortController()
      const along = worker.claim({ waitMs: 10_000, signal: waiting.signal })
      // Every other time it comes while the claim is still about to look for the first time.
      if (round % 2 === 0) await setTimeout(2)
      const [outcome, taken] = await race(
        round >> 1,
        () => signal(one, waitpointId),
        () => others.claim(),
      )
      expect(outcome, `round ${round}`).toBe('satisfied')
      if (taken.length > 0) waiting.abort()
      const claimed = [...(await along), ...taken]
      expect(
        claimed.map(({ executionId }) => executionId),
        `round ${round}`,
      ).toEqual([id])
      ways.saw(taken.length > 0 ? 'the other' : 'along')
      await worker.complete(must(claimed[0], 'a lease').handle)
    }
    ways.expectOnly(['along', 'the other'])
  })

  it('signal/signal: those of several processes are all counted, and the last one resumes', async () => {
    const { store, one, two } = sessions()
    const driver = new SuspensionDriver(store)
    for (let round = 0; round < raceRounds; round += 1) {
      const active = await driver.active()
      const waitpointId = await driver.waitpoint(active.id)
      const condition = { kind: 'count', n: 6, of: 'sources', waitpointIds: [waitpointId] } as const
      await driver.suspend(active, { condition })
      const outcomes = await Promise.all(
        Array.from({ length: 6 }, (_, n) =>
          signal(n % 2 === 0 ? one : two, waitpointId, { source: `s${n}` }),
        ),
      )
      expect([...outcomes].sort()).toEqual([...Array.from({ length: 5 }, () => 'accepted'), 'satisfied'])
      const { signals } = await finish(active)
      expect(new Set(signals.map(({ source }) => source)).size).toBe(6)
    }
  })

  it('suspend/signal: an early signal is never lost', async () => {
    const { store, one, two } = sessions()
    const driver = new SuspensionDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const active = await driver.active()
      const waitpointId = await driver.waitpoint(active.id)
      const item = driver.item(active, { condition: onSignal(waitpointId) })
      const [suspended, signalled] = await race(
        round,
        async () => {
          const { items } = await one.suspensions.suspend({
            namespaces: [store.namespace],
            items: [item],
          })
          return must(items[0], 'an answer').outcome
        },
        () => signal(two, waitpointId),
      )
      ways.saw(`${suspended} ${signalled}`)
      if (suspended === 'already_satisfied') await active.worker.complete(active.handle)
      else expect((await finish(active)).signals).toHaveLength(1)
    }
    ways.expectOnly(['already_satisfied buffered', 'suspended satisfied'])
  })

  it('signal/cancel: either the one or the other ends the suspension', async () => {
    const { store, one, two } = sessions()
    const { namespace } = store
    const driver = new SuspensionDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const { id, waitpointId } = await driver.suspended()
      const [signalled, cancelled] = await race(
        round,
        () => signal(one, waitpointId),
        () => two.executions.cancel({ namespace, id }),
      )
      ways.saw(`${signalled} ${cancelled.outcome}`)
      expect((await one.executions.get({ namespace, id })).execution.publicState).toBe('cancelled')
      expect(await driver.listSignals(id)).toHaveLength(signalled === 'satisfied' ? 1 : 0)
    }
    ways.expectOnly(['satisfied cancelled', 'waitpoint_closed cancelled'])
  })

  it('signal/timeout: either the one or the other resumes it', async () => {
    const { store, one, two } = sessions()
    const driver = new SuspensionDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const waiting = await driver.suspended({ timeout: { afterMs: 1_000, behaviour: 'auto_resume' } })
      await store.advance(1_000)
      const [signalled] = await race(
        round,
        () => signal(one, waiting.waitpointId),
        () =>
          Promise.all(
            store.partitions.map((partition) => two.maintenance.drainTimers({ partition, max: 100 })),
          ),
      )
      const { by, signals } = await finish(waiting)
      ways.saw(`${signalled} ${by} ${signals.length}`)
    }
    ways.expectOnly(['satisfied condition 1', 'waitpoint_closed timeout 0'])
  })

  it('end/stop: a child ends once, and its parent’s cancel finds it ended or ends it', async () => {
    const { store, one, two } = sessions()
    const { namespace } = store
    const driver = new SuspensionDriver(store)
    for (let round = 0; round < raceRounds; round += 1) {
      const parent = await driver.active()
      const child = store.aSolo({ parent: { id: parent.id, detached: false } })
      await one.executions.submit({ namespace, items: [child] })
      await driver.suspend(parent, { condition: { kind: 'child', id: child.id } })
      const dispatch = (backend: FoundationBackend) =>
        Promise.all(
          store.partitions.map((partition) =>
            backend.resolution.dispatchCompletions({ partition, max: 100 }),
          ),
        )
      await dispatch(one)
      const { handle } = await parent.worker.claimOne()
      await race(
        round,
        () => parent.worker.complete(handle),
        () => two.executions.cancel({ namespace, id: parent.id }),
      )
      await Promise.all([dispatch(one), dispatch(two)])
      await store.settle()
      expect((await two.executions.get({ namespace, id: child.id })).execution.publicState).toMatch(
        /^(completed|cancelled)$/,
      )
      expect((await two.executions.get({ namespace, id: parent.id })).execution.publicState).toBe('cancelled')
    }
  })
})
