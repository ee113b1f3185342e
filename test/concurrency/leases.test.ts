import { mintClaimId, mintInstanceId, parseKind, parseLaneId, parseWorkerId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { bytesOf, readOne, submitOne } from '../support/builders.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, raceRounds, useSessions, Ways } from './use-sessions.js'

describe('races over leases', () => {
  const sessions = useSessions()
  const scope = () => ({ namespaces: [sessions().store.namespace] })

  it('claim/claim: each execution goes to one of them', async () => {
    const { store, one, two } = sessions()
    for (let round = 0; round < raceRounds; round += 1) {
      const ids = await Promise.all(Array.from({ length: 6 }, () => submitOne(store)))
      const claim = (backend: typeof one) => async () => {
        const answer = await backend.leases.claim({
          claimId: mintClaimId(),
          workerId: parseWorkerId('racer'),
          instanceId: mintInstanceId(),
          ...scope(),
          lanes: [parseLaneId('solos')],
          kinds: [parseKind('work')],
          capabilities: [],
          max: 6,
          leaseTtlMs: 60_000,
        })
        return answer.outcome === 'claimed' ? answer.leases : []
      }
      const [a, b] = await race(round, claim(one), claim(two))
      // Whoever skipped rows that the other had locked may come back for what is left.
      const rest = await claim(one)()
      const got = [...a, ...b, ...rest].map(({ executionId }) => executionId)
      expect(got.length, `round ${round}`).toBe(ids.length)
      expect(new Set(got)).toEqual(new Set(ids))
      const items = [...a, ...b, ...rest].map(({ handle }) => ({ handle, result: null }))
      const done = await one.leases.complete({ ...scope(), items })
      expect(new Set(done.items.map(({ outcome }) => outcome))).toEqual(new Set(['completed']))
    }
  })

  it('complete/expire: the holder wins, in time or late, and the result is recorded once', async () => {
    const { store, one, two } = sessions()
    const worker = new WorkerDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const id = await submitOne(store)
      const { handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
      await store.advance(1_000)
      const [done] = await race(
        round,
        () => one.leases.complete({ ...scope(), items: [{ handle, result: bytesOf('mine') }] }),
        () => drainTimers(two, store.partitions),
      )
      const [item] = done.items
      ways.saw(item?.outcome === 'completed' ? `completed, late ${item.late}` : String(item?.outcome))
      await store.settle()
      const execution = await readOne(store, id)
      const after = { answer: item, publicState: execution.publicState, reclaimCount: execution.reclaimCount }
      expect(after, `round ${round}`).toEqual({
        answer: { outcome: 'completed', late: expect.any(Boolean) },
        publicState: 'completed',
        reclaimCount: 0,
      })
      expect(await store.eventsOf(id)).toHaveLength(1)
    }
    ways.expectOnly(['completed, late true', 'completed, late false'])
  })

  it('complete/cancel: exactly one of them is recorded', async () => {
    const { store, one, two } = sessions()
    const worker = new WorkerDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const id = await submitOne(store)
      const { handle } = await worker.claimOne()
      const [done, cancelled] = await race(
        round,
        () => one.leases.complete({ ...scope(), items: [{ handle, result: null }] }),
        () => two.executions.cancel({ namespace: store.namespace, id }),
      )
      const { publicState } = await readOne(store, id)
      ways.saw(`${done.items[0]?.outcome} ${cancelled.outcome} ${publicState}`)
      expect(await store.eventsOf(id)).toHaveLength(1)
    }
    ways.expectOnly(['completed execution_terminal completed', 'execution_not_active cancelled cancelled'])
  })

  it('complete/complete late: the second of one holder answers as the first, and an old handle never ends the new attempt', async () => {
    const { store, one, two } = sessions()
    const worker = new WorkerDriver(store)
    const other = new WorkerDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const id = await submitOne(store)
      const { handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
      await store.pass(1_000)
      // Reaped: the last holder's end and the next claim meet.
      const [late, claimed] = await race(
        round,
        () => one.leases.complete({ ...scope(), items: [{ handle, result: bytesOf('late') }] }),
        () => two.leases.claim(other.request({ max: 1 })),
      )
      const outcome = late.items[0]?.outcome
      ways.saw(`${outcome} ${claimed.outcome}`)
      const { publicState, attemptCount } = await readOne(store, id)
      if (outcome === 'completed') expect([publicState, attemptCount]).toEqual(['completed', 1])
      else expect([publicState, attemptCount]).toEqual(['active', 2])
      const lease = claimed.outcome === 'claimed' ? claimed.leases[0] : undefined
      if (lease === undefined) continue
      const twice = [{ handle: lease.handle, result: bytesOf('mine') }]
      const [a, b] = await race(
        round,
        () => one.leases.complete({ ...scope(), items: twice }),
        () => two.leases.complete({ ...scope(), items: twice }),
      )
      expect([a.items, b.items]).toEqual([
        [{ outcome: 'completed', late: false }],
        [{ outcome: 'completed', late: false }],
      ])
      expect(await store.eventsOf(id)).toHaveLength(1)
    }
    ways.expectOnly(['completed empty', 'stale_lease claimed'])
  })

  it('renew/reap: a renewed lease stands, a reaped one is not renewed', async () => {
    const { store, one, two } = sessions()
    const worker = new WorkerDriver(store)
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const id = await submitOne(store)
      const { handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
      await store.advance(1_000)
      const [renewed] = await race(
        round,
        () => one.leases.renew({ ...scope(), items: [{ handle, leaseTtlMs: 60_000 }] }),
        () => drainTimers(two, store.partitions),
      )
      const { publicState } = await readOne(store, id)
      ways.saw(`${renewed.items[0]?.outcome} ${publicState}`)
      await one.executions.cancel({ namespace: store.namespace, id })
    }
    ways.expectOnly(['renewed active', 'lease_expired waiting'])
  })

  it('two reapers: a lost lease is counted once', async () => {
    const { store, one, two } = sessions()
    const worker = new WorkerDriver(store)
    for (let round = 0; round < raceRounds; round += 1) {
      const id = await submitOne(store)
      await worker.claimOne({ leaseTtlMs: 1_000 })
      await store.advance(1_000)
      await race(
        round,
        () => drainTimers(one, store.partitions),
        () => drainTimers(two, store.partitions),
      )
      await store.settle()
      expect(await readOne(store, id)).toMatchObject({ publicState: 'waiting', reclaimCount: 1 })
      await one.executions.cancel({ namespace: store.namespace, id })
    }
  })

  it('submit/submit: one id and one key are accepted once', async () => {
    const { store, one, two } = sessions()
    const { namespace } = store
    for (let round = 0; round < raceRounds; round += 1) {
      const item = store.aSolo()
      const [a, b] = await race(
        round,
        () => one.executions.submit({ namespace, items: [item] }),
        () => two.executions.submit({ namespace, items: [item] }),
      )
      expect([a.items[0]?.outcome, b.items[0]?.outcome].sort()).toEqual(['accepted', 'duplicate'])
      const idempotencyKey = `key-${round}`
      const [c, d] = await race(
        round,
        () => one.executions.submit({ namespace, items: [store.aSolo({ idempotencyKey })] }),
        () => two.executions.submit({ namespace, items: [store.aSolo({ idempotencyKey })] }),
      )
      expect([c.items[0]?.outcome, d.items[0]?.outcome].sort()).toEqual(['accepted', 'duplicate'])
      expect(c.items[0]).toMatchObject({ id: (d.items[0] as { id: string }).id })
    }
  })

  it('a capped lane is never over its cap, however many claim at once', async () => {
    const { store, one, two } = sessions()
    const lane = parseLaneId('capped')
    const { namespace } = store
    await one.lanes.configure({ namespace, lane, settings: { concurrency: 2 } })
    for (let round = 0; round < Math.ceil(raceRounds / 4); round += 1) {
      await one.executions.submit({
        namespace,
        items: Array.from({ length: 5 }, () => store.aSolo({ lane })),
      })
      const worker = new WorkerDriver(store, { lanes: [lane] })
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          (i % 2 === 0 ? one : two).leases.claim(worker.request({ max: 2 })),
        ),
      )
      const leases = answers.flatMap((answer) => (answer.outcome === 'claimed' ? answer.leases : []))
      expect(leases.length).toBeLessThanOrEqual(2)
      expect(leases.length).toBeGreaterThan(0)
      for (let left = 5; left > 0; ) {
        const items = leases.splice(0).map(({ handle }) => ({ handle, result: null }))
        left -= items.length
        await one.leases.complete({ ...scope(), items })
        if (left > 0) leases.push(...(await worker.claim({ max: 2 })))
      }
    }
  })
})

async function drainTimers(
  backend: Pick<import('@flowfabric/core').FoundationBackend, 'maintenance'>,
  partitions: readonly import('@flowfabric/core').PartitionTag[],
): Promise<void> {
  for (const partition of partitions) await backend.maintenance.drainTimers({ partition, max: 100 })
}
