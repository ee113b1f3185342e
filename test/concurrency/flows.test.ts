import type { FoundationBackend, PartitionTag } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../support/flow-driver.js'
import { rounds } from '../support/soak.js'
import { race, raceRounds, useSessions, Ways } from './use-sessions.js'

describe('races over flows', () => {
  const sessions = useSessions({ inlineResolveEdges: 0, partitions: { flow: 1 } })

  const dispatch = (backend: FoundationBackend) => () =>
    eachPartition((partition) => backend.resolution.dispatchCompletions({ partition, max: 100 }))
  const drainCancels = (backend: FoundationBackend) => () =>
    eachPartition((partition) => backend.resolution.drainSiblingCancels({ partition, max: 50 }))
  const reconcile = (backend: FoundationBackend) => () =>
    eachPartition((partition) => backend.resolution.reconcileDependencies({ partition, max: 100 }))
  const reconcileCancels = (backend: FoundationBackend) => () =>
    eachPartition((partition) => backend.resolution.reconcileSiblingCancels({ partition, max: 50 }))

  async function eachPartition(work: (partition: PartitionTag) => Promise<unknown>): Promise<void> {
    for (const partition of sessions().store.partitions) await work(partition)
  }

  it('extend/fire: a new edge is in before the group decides, or refused', async () => {
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {}, join: { after: ['a'] } })
      await flow.end('a', 'success')
      flow.toGraph({ b: {} })
      const [answer] = await race(
        round,
        () => flow.extend({ b: {} }, { edges: [flow.edge('b', 'join')] }),
        dispatch(other.stage.backend),
      )
      await flow.settle()
      const [state, { counters }] = [await flow.state('join'), await flow.group('join')]
      ways.saw(`${answer.outcome} ${state} ${counters.succeeded}/${counters.n}`)
    }
    ways.expectOnly(['extended waiting_children 1/2', 'edge_group_decided waiting 1/1'])
  })

  it('replay/dispatch: a late completion decides nothing after the replay', async () => {
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {}, b: { after: ['a'] } })
      await flow.end('a', 'failed')
      const [answer] = await race(round, () => flow.replay(['a']), dispatch(other.stage.backend))
      await flow.settle()
      const { a, b } = await flow.states()
      ways.saw(`${answer.outcome} ${a} ${b}`)
      expect((await flow.group('b')).counters).toEqual({ n: 1, succeeded: 0, failed: 0, skipped: 0 })
      await flow.end('a', 'success')
      await flow.settle()
      expect(await flow.state('b')).toBe('waiting')
    }
    ways.expectOnly(['replayed waiting waiting_children'])
  })

  it('pause/claim: nothing of a paused lane is handed out after the answer', async () => {
    const { store, one, two } = sessions()
    const { namespace } = store
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {}, b: {}, c: {} })
      const active = async () =>
        (await one.executions.count({ namespace, filter: { flowId: flow.flowId, states: ['active'] } })).count
      let atAnswer = -1
      await race(
        round,
        async () => {
          await one.lanes.setState({ namespace, lane: flow.lane, state: 'paused' })
          atAnswer = await active()
        },
        async () => {
          for (const name of ['a', 'b', 'c']) await other.tryStart(name)
        },
      )
      expect(await active(), `round ${round}`).toBe(atAnswer)
      await two.flows.cancel({ namespace, flowId: flow.flowId, policy: 'cancel_all' })
    }
  })

  it('cancel flow/claim: nothing of it is handed out after the answer', async () => {
    const { store, one } = sessions()
    const { namespace } = store
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {}, b: {}, c: {} })
      const active = async () =>
        (await one.executions.count({ namespace, filter: { flowId: flow.flowId, states: ['active'] } })).count
      let atAnswer = -1
      await race(
        round,
        async () => {
          await flow.cancel('cancel_pending')
          atAnswer = await active()
        },
        async () => {
          for (const name of ['a', 'b', 'c']) await other.tryStart(name)
        },
      )
      expect(await active(), `round ${round}`).toBe(atAnswer)
      const states = Object.values(await flow.states())
      expect(states.filter((state) => state !== 'active' && state !== 'cancelled')).toEqual([])
      await flow.cancel('cancel_all')
      await flow.settle()
      expect((await flow.flow()).state).toBe('cancelled')
    }
  })

  it('seal/extend: what is added just before or just after the seal runs all the same', async () => {
    const { store, one } = sessions()
    const { namespace } = store
    for (let round = 0; round < raceRounds; round += 1) {
      const flow = new FlowDriver(store)
      await one.flows.createDraft({ namespace, flowId: flow.flowId })
      await flow.extend({ a: {} })
      const other = flow.through(sessions().two)
      flow.toGraph({ b: {}, c: {} })
      const [grown, sealed] = await race(
        round,
        () => other.extend({ b: { after: ['a'] }, c: {} }),
        () => one.flows.seal({ namespace, flowId: flow.flowId }),
      )
      expect([grown.outcome, sealed.outcome]).toEqual(['extended', 'sealed'])
      await flow.settle()
      expect(await flow.states()).toEqual({ a: 'waiting', b: 'waiting_children', c: 'waiting' })
      expect((await flow.tryStart('a', 'b', 'c')).sort()).toEqual(['a', 'c'])
    }
  })

  it('settle/extend: the flow is open and grown, or it has ended and refuses', async () => {
    const ways = new Ways()
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {} })
      await flow.end('a', 'success')
      const settleAll = async () => {
        for (let hop = 0; hop < 3; hop += 1) await dispatch(other.stage.backend)()
      }
      const [answer] = await race(round, () => flow.extend({ b: {} }), settleAll)
      await flow.settle()
      ways.saw(`${answer.outcome} ${(await flow.flow()).state}`)
    }
    ways.expectOnly(['extended open', 'flow_not_open completed'])
  })

  it('reconcile/dispatch: an edge is counted once, whoever finds it', async () => {
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {}, b: { after: ['a'] }, c: { after: ['a'] } })
      await flow.end('a', round % 3 === 0 ? 'failed' : 'success')
      await race(round, dispatch(flow.stage.backend), reconcile(other.stage.backend))
      await flow.settle()
      for (const name of ['b', 'c']) {
        const { counters } = await flow.group(name)
        expect(counters.succeeded + counters.failed + counters.skipped, `round ${round}`).toBe(1)
      }
    }
  })

  it('dispatch/dispatch: two ends of one join meet, and it is released once', async () => {
    for (let round = 0; round < raceRounds; round += 1) {
      const [flow, other] = await sessions().twice({ a: {}, b: {}, join: { after: ['a', 'b'] } })
      await flow.start('a', 'b')
      await race(
        round,
        async () => {
          await flow.complete('a')
          await dispatch(flow.stage.backend)()
        },
        async () => {
          await other.complete('b')
          await dispatch(other.stage.backend)()
        },
      )
      await flow.settle()
      expect((await flow.group('join')).counters, `round ${round}`).toEqual({
        n: 2,
        succeeded: 2,
        failed: 0,
        skipped: 0,
      })
      const released = (await sessions().store.eventsOf(flow.id('join'))).filter(
        ({ publicState }) => publicState === 'waiting',
      )
      expect(released).toHaveLength(1)
    }
  })

  it('sibling cancel: drain/complete, drain/drain and drain/reconcile never lose a cancel', async () => {
    const plan = {
      a: {},
      b: {},
      c: {},
      join: { after: ['a', 'b', 'c'], join: { policy: { kind: 'any_of' } } },
    } as const
    for (let round = 0; round < rounds(1_000); round += 1) {
      const [flow, other] = await sessions().twice(plan)
      await flow.start('a', 'b', 'c')
      await flow.complete('a')
      await flow.settle({ except: ['sibling_cancels'] })
      const drain = drainCancels(flow.stage.backend)
      const meets = [
        () => other.complete('b'),
        drainCancels(other.stage.backend),
        reconcileCancels(other.stage.backend),
      ][round % 3] as () => Promise<unknown>
      await race(round, drain, meets)
      await flow.settle()
      const states = await flow.states()
      expect(states.c, `round ${round}`).toBe('cancelled')
      expect(['cancelled', round % 3 === 0 ? 'completed' : 'cancelled']).toContain(states.b)
      expect((await flow.group('join')).cancelPending).toBe(false)
    }
    expect(await sessions().store.faults.pendingTuples()).toEqual([])
  })

  it('join of 100 that complete together', async () => {
    const { store } = sessions()
    const names = Array.from({ length: 100 }, (_, i) => `p${i}`)
    const plan = { ...Object.fromEntries(names.map((name) => [name, {}] as const)), join: { after: names } }
    const backends = [...Array.from({ length: 16 }, () => store.opened.reopen())]
    for (let round = 0; round < rounds(20); round += 1) {
      const flow = await FlowDriver.submit(store, plan)
      await flow.start(...names)
      const drivers = backends.map((backend) => flow.through(backend))
      await Promise.all(
        drivers.map(async (driver, session) => {
          for (const name of names.filter((_, i) => i % drivers.length === session)) {
            expect(await driver.complete(name)).toBe('completed')
            await dispatch(driver.stage.backend)()
          }
        }),
      )
      // On a loaded machine a dispatcher may have given up on a locked flow: its entries wait, for at most a minute.
      await store.pass(60_000)
      await flow.settle()
      expect((await flow.group('join')).counters).toEqual({ n: 100, succeeded: 100, failed: 0, skipped: 0 })
      const released = (await store.eventsOf(flow.id('join'))).filter(
        ({ publicState }) => publicState === 'waiting',
      )
      expect(released).toHaveLength(1)
      expect(await flow.tryStart('join')).toEqual(['join'])
    }
    expect(await deadlocks()).toBe(0)
  })

  async function deadlocks(): Promise<number> {
    const { inside } = sessions().store.opened
    if (!('pool' in inside)) return 0
    const { rows } = await inside.pool.query(
      'select deadlocks::int as n from pg_stat_database where datname = current_database()',
    )
    return Number(rows[0]?.n)
  }
})
