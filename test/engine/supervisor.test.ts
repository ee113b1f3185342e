import {
  engineError,
  makePartitionTag,
  mintExecutionId,
  mintInstanceId,
  parseKind,
  partitionTagOf,
} from '@flowfabric/core'
import { foundationScanners } from '@flowfabric/scanners'
import { afterEach, describe, expect, it } from 'vitest'
import { flowPartitions } from '../support/drive.js'
import { FlowDriver } from '../support/flow-driver.js'
import { kind, lane, namespace, openStage, type Stage } from './stage.js'

let stage: Stage

afterEach(() => stage.close())

function partitionOf(params: unknown): string | undefined {
  return typeof params === 'object' && params !== null && 'partition' in params
    ? String(params.partition)
    : undefined
}

/** How late each of some delayed executions became claimable, in ms of the store's time. */
async function latenessOf(delaysMs: readonly number[]): Promise<readonly number[]> {
  const ids = await Promise.all(delaysMs.map((delayMs) => stage.submit({ delayMs })))
  const late = new Map<string, number>()
  const beganMs = stage.clock.nowMs()
  while (late.size < ids.length && stage.clock.nowMs() - beganMs < 60_000) {
    await stage.clock.advance(1)
    for (const [index, id] of ids.entries()) {
      if (late.has(id) || (await stage.stateOf(id)) !== 'waiting') continue
      late.set(id, stage.clock.nowMs() - beganMs - (delaysMs[index] ?? 0))
    }
  }
  return ids.map((id) => late.get(id) ?? Number.POSITIVE_INFINITY)
}

describe('what is due', () => {
  it('is applied within a few ms, though the engine’s clock is an hour off', async () => {
    stage = openStage({ skewMs: 3_600_000 })
    await stage.openEngine().start()
    await stage.clock.advance(1_234)
    for (const lateMs of await latenessOf([700, 1_999, 2_000, 3_141])) expect(lateMs).toBeLessThanOrEqual(5)
  })

  it('is at most a second late when every hint is lost', async () => {
    stage = openStage()
    await stage.openEngine().start()
    stage.passHint = () => false
    await stage.clock.advance(1_234)
    for (const lateMs of await latenessOf([150, 450, 2_300])) expect(lateMs).toBeLessThanOrEqual(1_200)
  })

  it('a lost lease comes back by itself, with nobody asking', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.start()
    const id = await stage.submit()
    const claim = await engine.backend.leases.claim(stage.aClaim({ leaseTtlMs: 5_000 }))
    expect(claim.outcome).toBe('claimed')
    await stage.clock.advance(4_990)
    expect(await stage.stateOf(id)).toBe('active')
    await stage.clock.advance(20)
    expect(await stage.stateOf(id)).toBe('waiting')
    expect(engine.metrics.read('timers_applied_total', { timer: 'lease_expiry' })).toBe(1)
    expect(engine.health().isReady).toBe(true)
  })

  it('does not spin when the two clocks disagree', async () => {
    stage = openStage()
    await stage.openEngine().start()
    await stage.submit({ delayMs: 500 })
    await stage.clock.advance(100)
    // From here on the store's clock stands still: nothing is ever due there.
    const frozenMs = stage.model.store.clock.nowMs()
    Object.assign(stage.model.store.clock, { nowMs: () => frozenMs })
    stage.forgetCalls()
    await stage.clock.advance(20_000)
    expect(stage.calls.get('maintenance.drainTimers') ?? 0).toBeLessThanOrEqual(100)
  })
})

describe('what is past its retention', () => {
  it('goes as fast as it comes, not a batch for each interval', async () => {
    stage = openStage({ partitionCount: 1 })
    const count = 200
    const engine = stage.openEngine({ scanners: foundationScanners({ retentionTrimmer: { max: 10 } }) })
    await engine.start()
    for (let nth = 0; nth < count; nth += 1) await stage.submit({ retentionMs: 1_000 })
    const answer = await stage.model.leases.claim(stage.aClaim({ max: count }))
    const leases = answer.outcome === 'claimed' ? answer.leases : []
    const items = leases.map(({ handle }) => ({ handle, result: null }))
    await stage.model.leases.complete({ namespaces: [namespace], items })
    expect((await stage.model.executions.count({ namespace })).count).toBe(count)
    await stage.clock.advance(5_000)
    expect((await stage.model.executions.count({ namespace })).count).toBe(0)
  })
})

describe('a partition that fails', () => {
  it('stops no other, is tried again with growing pauses, and recovers', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.start()
    const poisoned = makePartitionTag('flow', 1)
    const inPartition = (index: number) => ({
      id: mintExecutionId(index),
      kind,
      lane,
      input: null,
      delayMs: 200,
    })
    const items = [0, 1, 2, 3].map(inPartition)
    await stage.model.executions.submit({ namespace, items })
    stage.disturb = (operation, params) => {
      if (operation !== 'maintenance.drainTimers' || partitionOf(params) !== poisoned) return
      throw engineError('store_full', 'no room in this one')
    }
    stage.forgetCalls()
    await stage.clock.advance(20_000)
    for (const { id } of items) {
      const isPoisoned = partitionTagOf(id) === poisoned
      expect(await stage.stateOf(id)).toBe(isPoisoned ? 'delayed' : 'waiting')
    }
    expect(engine.health().failingScanners).toEqual({ timers: 1 })
    // Doubling from half a second: a handful of tries, not one per pulse.
    expect(
      engine.metrics.read('scanner_passes_total', { scanner: 'timers', outcome: 'failed' }),
    ).toBeLessThanOrEqual(8)
    stage.disturb = undefined
    await stage.clock.advance(60_000)
    for (const { id } of items) expect(await stage.stateOf(id)).toBe('waiting')
    expect(engine.health().failingScanners).toEqual({})
  })

  it('a store that is away altogether is waited for, and the engine says so', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.start()
    const id = await stage.submit({ delayMs: 1_000 })
    stage.disturb = () => {
      throw engineError('store_unreachable', 'nobody answers')
    }
    await stage.clock.advance(60_000)
    expect(engine.health()).toMatchObject({ isReady: false, state: 'running' })
    stage.forgetCalls()
    await stage.clock.advance(60_000)
    // A heartbeat each second, and pulses that have backed off: no storm on what is down.
    expect(stage.totalCalls()).toBeLessThan(90)
    stage.disturb = undefined
    await stage.clock.advance(6_000)
    expect(await stage.stateOf(id)).toBe('waiting')
    expect(engine.health().isReady).toBe(true)
  })

  it('waits no longer once the store was away altogether and is back', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.start()
    const id = await stage.submit({ delayMs: 100 })
    // It goes bit by bit, so that passes fail again and again.
    stage.disturb = (operation) => {
      if (operation !== 'maintenance.pulse') throw engineError('store_unreachable', 'nobody answers')
    }
    await stage.clock.advance(40_000)
    stage.disturb = () => {
      throw engineError('store_unreachable', 'nobody answers')
    }
    await stage.clock.advance(3_000)
    stage.disturb = undefined
    await stage.clock.advance(6_000)
    expect(await stage.stateOf(id)).toBe('waiting')
    expect(engine.health().failingScanners).toEqual({})
  })
})

describe('a pass', () => {
  it('never overlaps with itself, however slow it is and however many hints come', async () => {
    stage = openStage({ inlineResolveEdges: 0, partitionCount: 1 })
    const engine = stage.openEngine()
    await engine.start()
    let running = 0
    let most = 0
    stage.disturb = async (operation) => {
      if (operation !== 'resolution.dispatchCompletions') return
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => stage.clock.setTimer(300, resolve))
      running--
    }
    for (let round = 0; round < 10; round++) {
      await stage.submit()
      const claim = await engine.backend.leases.claim(stage.aClaim())
      if (claim.outcome !== 'claimed') throw new Error('nothing to claim')
      const handle = claim.leases[0]?.handle ?? ''
      await engine.backend.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })
      await stage.clock.advance(50)
    }
    await stage.clock.advance(2_000)
    expect(most).toBe(1)
    expect((await stage.model.maintenance.describe()).counts.outbox).toBe(0)
  })

  it('that runs at the stop may end within the grace, and nothing begins after it', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.start()
    await stage.submit({ delayMs: 100 })
    let ended = false
    stage.disturb = async (operation) => {
      if (operation !== 'maintenance.drainTimers') return
      await new Promise<void>((resolve) => stage.clock.setTimer(2_000, resolve))
      ended = true
    }
    await stage.clock.advance(150)
    const stopped = engine.stop({ graceMs: 5_000 })
    await stage.clock.advance(4_000)
    await stopped
    expect(ended).toBe(true)
    expect(engine.health().state).toBe('stopped')
    stage.forgetCalls()
    await stage.clock.advance(60_000)
    expect(stage.totalCalls()).toBe(0)
    expect(stage.clock.pending).toBe(0)
  })

  it('that never ends does not keep the stop from ending', async () => {
    stage = openStage()
    const engine = stage.openEngine()
    await engine.start()
    await stage.submit({ delayMs: 100 })
    stage.disturb = (operation) =>
      operation === 'maintenance.drainTimers' ? new Promise<void>(() => {}) : undefined
    await stage.clock.advance(150)
    const stopped = engine.stop({ graceMs: 1_000 })
    await stage.clock.advance(1_100)
    await stopped
    expect(engine.health().state).toBe('stopped')
  })
})

describe('engines share the partitions', () => {
  async function visitedBy(): Promise<Set<string>> {
    const visited = new Set<string>()
    stage.disturb = (operation, params) => {
      if (operation === 'maintenance.reconcileIndexes') visited.add(partitionOf(params) ?? '')
    }
    await stage.clock.advance(400_000)
    return visited
  }

  it('every scanner of the flow family visits exactly the partitions that there are', async () => {
    stage = openStage({ partitionCount: 16 })
    await stage.openEngine().start()
    expect([...(await visitedBy())].sort()).toEqual([...flowPartitions(16)].sort())
  })

  it('shares with one that was killed a moment ago, unless it knows that it is alone', async () => {
    stage = openStage()
    const killed = { engineId: mintInstanceId(), label: 'killed', aliveMs: 15_000 }
    await stage.model.engines.heartbeat(killed)
    // Of flows, of quotas and of budgets.
    const total = 4 + 8 + 1
    const one = stage.openEngine()
    await one.start()
    expect(one.health().partitionsOwned).toBeLessThan(total)
    await one.stop()
    const alone = stage.openEngine({ alone: true })
    await alone.start()
    expect(alone.health().partitionsOwned).toBe(total)
  })

  it('among four every partition has one owner; of one that dies silently the others take over in 15 s', async () => {
    stage = openStage({ partitionCount: 32 })
    const engines = [1, 2, 3, 4].map(() => stage.openEngine())
    for (const engine of engines) await engine.start()
    await stage.clock.advance(11_000)
    const owned = () => engines.map((engine) => engine.health().partitionsOwned)
    // Of flows, of quotas and of budgets.
    const total = 32 + 8 + 1
    expect(owned().reduce((sum, each) => sum + each, 0)).toBe(total)
    for (const each of owned()) expect(each).toBeGreaterThan(0)
    // The first one's network breaks: it goes on alone, while the others share what it had.
    const [broken, ...others] = engines
    const isBroken = (params: unknown) =>
      typeof params === 'object' &&
      params !== null &&
      'engineId' in params &&
      params.engineId === broken?.engineId
    stage.disturb = (operation, params) => {
      if (operation === 'engines.heartbeat' && isBroken(params)) throw engineError('timed_out', 'lost')
    }
    await stage.clock.advance(21_500)
    expect(others.reduce((sum, engine) => sum + engine.health().partitionsOwned, 0)).toBe(total)
    expect(broken?.health().isReady).toBe(false)
    // One that says goodbye is followed at the next heartbeat.
    const second = others[0]?.stop()
    await stage.clock.advance(6_000)
    await second
    const left = others.slice(1).reduce((sum, engine) => sum + engine.health().partitionsOwned, 0)
    expect(left).toBe(total)
  })
})

describe('a flow', () => {
  it.each([0, 64])(
    'runs to its end with nobody driving, resolving %i edges inline',
    async (inlineResolveEdges) => {
      stage = openStage({ inlineResolveEdges, partitionCount: 8 })
      const engine = stage.openEngine()
      await engine.start()
      const flow = await FlowDriver.submit(
        { backend: engine.backend, namespace, partitions: flowPartitions(8) },
        {
          left: {},
          right: {},
          race: { after: ['left', 'right'], join: { policy: { kind: 'any_of' } } },
          fallback: { after: ['race'], join: { runOn: 'groupImpossible' } },
        },
      )
      const claim = async () => {
        const answer = await engine.backend.leases.claim(
          stage.aClaim({ lanes: [flow.lane], kinds: ['left', 'right', 'race'].map(parseKind) }),
        )
        if (answer.outcome !== 'claimed') throw new Error('nothing to claim')
        const [lease] = answer.leases
        if (lease === undefined) throw new Error('an empty lease')
        return lease
      }
      const first = await claim()
      await engine.backend.leases.complete({
        namespaces: [namespace],
        items: [{ handle: first.handle, result: null }],
      })
      await stage.clock.advance(100)
      const race = await claim()
      expect(race.name).toBe('race')
      await engine.backend.leases.complete({
        namespaces: [namespace],
        items: [{ handle: race.handle, result: null }],
      })
      await stage.clock.advance(2_500)
      const { flow: record } = await stage.model.flows.get({ namespace, flowId: flow.flowId })
      expect(record.state).toBe('completed')
      // The summary follows by itself, a second or two behind.
      expect(record.summary.counts).toMatchObject({ completed: 2, cancelled: 1, skipped: 1 })
      expect(engine.metrics.read('sibling_cancel_total', { disposition: 'cancelled' })).toBeLessThanOrEqual(1)
      expect(engine.metrics.read('dependency_reconciler_found_total', { finding: 'edge_resolved' })).toBe(0)
    },
  )
})

it('two scanners of one name, and settings that do not hold together, are refused', () => {
  stage = openStage()
  const [first] = foundationScanners()
  if (first === undefined) throw new Error('no scanners')
  expect(() => stage.openEngine({ scanners: [first, first] })).toThrowError(/named completion_dispatcher/)
  expect(() => stage.openEngine({ heartbeatMs: 9_000, aliveMs: 10_000 })).toThrowError(/twice heartbeatMs/)
  expect(() => stage.openEngine({ pulseIntervalMs: 5 })).toThrowError(/pulseIntervalMs/)
})
