import type { EngineBackend, FoundationBackend } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../support/admission-driver.js'
import { readOne, submitOne } from '../support/builders.js'
import { statesOf } from '../support/operation-driver.js'
import { rounds } from '../support/soak.js'
import { WorkerDriver } from '../support/worker-driver.js'
import { race, raceRounds, useSessions, Ways } from './use-sessions.js'

/** Each moment to die at comes once. */
const crashRounds = rounds(240)

/** Two processes over the same quotas and budgets: nothing is granted beyond a limit, and nobody who waits is forgotten. */
describe('races over quotas and budgets', () => {
  const sessions = useSessions()

  const claimsOn = (backend: FoundationBackend, worker: WorkerDriver, max = 10) => {
    const request = worker.request({ max })
    return backend.leases.claim(request).then((answer) => (answer.outcome === 'claimed' ? answer.leases : []))
  }
  const completeOn = async (backend: FoundationBackend, handle: string) => {
    const { namespace } = sessions().store
    const { items } = await backend.leases.complete({
      namespaces: [namespace],
      items: [{ handle, result: null }],
    })
    return items[0]?.outcome
  }

  it('claim/claim: a slot, a unit and a reservation are granted once', async () => {
    const { store, one, two } = sessions()
    const driver = new AdmissionDriver(store)
    const quotaId = await driver.quota({ concurrency: 3, rate: { units: 4, windowMs: 60_000 } })
    const budgetId = await driver.budget(25)
    for (let round = 0; round < raceRounds; round += 1) {
      const items = Array.from({ length: 8 }, (_, n) =>
        store.aSolo({
          quotas: [{ quotaId, key: `${round}` }],
          // Lines of their own, so that the two look at different heads.
          budgets: n % 2 === 0 ? [{ budgetId, estimate: { tokens: 10 } }] : [],
        }),
      )
      await one.executions.submit({ namespace: store.namespace, items })
      const [a, b] = await race(
        round,
        () => claimsOn(one, new WorkerDriver(store)),
        () => claimsOn(two, new WorkerDriver(store)),
      )
      expect(a.length + b.length, `round ${round}`).toBe(3)
      expect((await driver.readQuota(`${round}`, quotaId)).held).toBe(3)
      expect((await driver.readBudget(budgetId)).reserved.tokens ?? 0).toBeLessThanOrEqual(20)
      for (const { handle } of [...a, ...b]) await completeOn(one, handle)
      await store.settle()
      for (const { id } of items) await one.executions.cancel({ namespace: store.namespace, id })
      await store.settle()
      expect((await driver.readBudget(budgetId)).reserved).toEqual({})
    }
  })

  it('end/refuse: a slot that is freed while another is refused is offered to it', async () => {
    const { store, one, two } = sessions()
    const driver = new AdmissionDriver(store)
    await driver.quota({ concurrency: 1 })
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const handle = await driver.fill()
      const id = await driver.submitQuota()
      const worker = new WorkerDriver(store)
      const [, claimed] = await race(
        round,
        () => completeOn(one, handle),
        () => claimsOn(two, worker),
      )
      ways.saw(claimed.length === 1 ? 'granted' : 'refused')
      if (claimed.length === 0) await store.settle()
      const [lease] = claimed.length === 1 ? claimed : await claimsOn(two, worker)
      expect(lease?.executionId, `round ${round}`).toBe(id)
      await completeOn(two, lease?.handle ?? '')
      await store.settle()
    }
    ways.expectOnly(['granted', 'refused'])
  })

  it('reserve/reset: a reservation counts against the period that begins', async () => {
    const { store, one, two } = sessions()
    const driver = new AdmissionDriver(store)
    const budgetId = await driver.budget(100)
    const { namespace } = store
    for (let round = 0; round < raceRounds; round += 1) {
      await driver.submitBudget(60)
      await driver.submitBudget(60)
      const [leases] = await race(
        round,
        () => claimsOn(one, new WorkerDriver(store)),
        () => two.budgets.reset({ namespace, budgetId, resetKey: `${round}` }),
      )
      expect(leases, `round ${round}`).toHaveLength(1)
      expect(await driver.readBudget()).toMatchObject({ period: round + 2, reserved: { tokens: 60 } })
      for (const { handle } of leases) await completeOn(one, handle)
      await store.settle()
      for (const { handle } of await claimsOn(one, new WorkerDriver(store))) await completeOn(one, handle)
      await store.settle()
      expect(await driver.readBudget()).toMatchObject({ reserved: {}, waiting: 0 })
    }
  })

  it('reserve/crash: what one took that died is free again, and whoever waits gets its turn', async () => {
    const { store, one } = sessions()
    const driver = new AdmissionDriver(store)
    const quotaId = await driver.quota({ concurrency: 1 })
    const budgetId = await driver.budget(10)
    const dying = await store.opened.dyingClaimers()
    const ways = new Ways()
    for (let round = 0; round < crashRounds; round += 1) {
      const asks = { quotas: [{ quotaId }], budgets: [{ budgetId, estimate: { tokens: 10 } }] }
      const ids = [await submitOne(store, asks), await submitOne(store, asks)]
      const [death, leases] = await race(
        round,
        () => dying.claim(new WorkerDriver(store).request(), round),
        () => claimsOn(one, new WorkerDriver(store)),
      )
      expect((await driver.readQuota()).held, `round ${round}`).toBeLessThanOrEqual(1)
      expect((await driver.readBudget()).reserved.tokens ?? 0).toBeLessThanOrEqual(10)
      await store.pass(10_000)
      const running = (await statesOf(store, ids)).filter((state) => state === 'active').length
      ways.saw(`${death}, ${leases.length} of ${running}`)
      expect(leases.length, `round ${round}`).toBeLessThanOrEqual(running)
      expect((await driver.readQuota()).held, `round ${round}`).toBe(running)
      expect((await driver.readBudget()).reserved).toEqual(running === 0 ? {} : { tokens: 10 })
      // Nobody renews what the dead held.
      await store.pass(20_000)
      for (const _ of ids) {
        const [next] = await claimsOn(one, new WorkerDriver(store))
        expect(next, `round ${round}`).toBeDefined()
        await completeOn(one, next?.handle ?? '')
        await store.settle()
      }
      expect(await statesOf(store, ids), `round ${round}`).toEqual(['completed', 'completed'])
      expect(await driver.readQuota()).toMatchObject({ held: 0, waiting: 0 })
      expect(await driver.readBudget()).toMatchObject({ reserved: {}, waiting: 0 })
    }
    const outcomes = ['died, 0 of 0', 'died, 0 of 1', 'died, 1 of 1', 'survived, 0 of 1', 'survived, 1 of 1']
    ways.expectOnly(outcomes)
  })

  it('refund/report: what is spent is charged once, and nothing stays reserved', async () => {
    const { store, one, two } = sessions()
    const driver = new AdmissionDriver(store)
    const budgetId = await driver.budget(null)
    const report = (backend: FoundationBackend, handle: string, usageKey: string) =>
      (backend as FoundationBackend & Pick<EngineBackend, 'budgets'>).budgets.reportUsage({
        namespaces: [store.namespace],
        items: [{ handle, budgetId, usageKey, amounts: { tokens: 7 } }],
      })
    for (let round = 0; round < raceRounds; round += 1) {
      await driver.submitBudget(50)
      const { handle } = await driver.worker.claimOne()
      await Promise.all([
        report(one, handle, 'a'),
        report(two, handle, 'a'),
        report(two, handle, 'b'),
        completeOn(one, handle),
      ])
      expect(await driver.readBudget(), `round ${round}`).toMatchObject({
        used: { tokens: 14 * (round + 1) },
        reserved: {},
      })
    }
    const { items } = await driver.budgets.reconcile({ partition: driver.budgetPartition(), max: 100 })
    expect(items).toEqual([])
  })

  it('acquire/reap: a slot that is taken as the lease is lost does not outlive it', async () => {
    const { store, one, two } = sessions()
    const driver = new AdmissionDriver(store)
    const quotaId = await driver.quota({ concurrency: 1 })
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const solo = store.aSolo()
      await one.executions.submit({ namespace: store.namespace, items: [solo] })
      const { handle } = await driver.worker.claimOne({ leaseTtlMs: 1_000 })
      await store.advance(1_000)
      const [acquired] = await race(
        round,
        () =>
          one.quotas.acquire({
            namespaces: [store.namespace],
            items: [{ handle, quotaId, holderKey: 'own' }],
          }),
        async () => {
          for (const partition of store.partitions) await two.maintenance.drainTimers({ partition, max: 10 })
        },
      )
      ways.saw(acquired.items[0]?.outcome ?? '')
      // A timer steps over an execution that somebody else holds, and comes back.
      await store.settle()
      expect(await driver.readQuota(), `round ${round}`).toMatchObject({ held: 0 })
      await one.executions.cancel({ namespace: store.namespace, id: solo.id })
      expect((await readOne(store, solo.id)).publicState).toBe('cancelled')
    }
    ways.expectOnly(['acquired', 'lease_expired'])
  })

  it('several quotas and budgets at once never wait for each other in a circle', async () => {
    const { store, one, two } = sessions()
    const driver = new AdmissionDriver(store)
    const quotas = [await driver.quota({ concurrency: 2 }), await driver.quota({ concurrency: 2 })]
    const budgets = [await driver.budget(20), await driver.budget(20)]
    for (let round = 0; round < raceRounds; round += 1) {
      const items = Array.from({ length: 12 }, (_, n) =>
        store.aSolo({
          quotas: quotas.filter((_, at) => n % 3 !== at).map((quotaId) => ({ quotaId })),
          budgets: budgets
            .filter((_, at) => n % 4 !== at)
            .map((budgetId) => ({ budgetId, estimate: { tokens: 5 } })),
        }),
      )
      await one.executions.submit({ namespace: store.namespace, items })
      const left = new Set<string>(items.map(({ id }) => id))
      for (let turn = 0; left.size > 0; turn += 1) {
        if (turn > 50) throw new Error(`round ${round}: ${left.size} were never admitted`)
        const claimed = (
          await Promise.all(
            [one, two, one, two].map((backend) => claimsOn(backend, new WorkerDriver(store), 4)),
          )
        ).flat()
        await Promise.all(claimed.map(({ handle }, n) => completeOn(n % 2 === 0 ? one : two, handle)))
        for (const { executionId } of claimed) left.delete(executionId)
        await store.settle()
      }
    }
    for (const id of quotas) expect(await driver.readQuota('', id)).toMatchObject({ held: 0, waiting: 0 })
  })
})
