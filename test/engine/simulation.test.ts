import {
  type ClaimedExecution,
  engineError,
  type Hint,
  isEngineError,
  mintClaimId,
  mintInstanceId,
  parseKind,
  terminalPublicStates,
} from '@flowfabric/core'
import type { Engine } from '@flowfabric/engine'
import { afterEach, describe, expect, it } from 'vitest'
import { createRandom } from '../model/random.js'
import { flowPartitions } from '../support/drive.js'
import { FlowDriver, type GraphPlan } from '../support/flow-driver.js'
import { lane, namespace, openStage, type Stage } from './stage.js'

/**
 * Engines and workers on one clock over the model, with a network that loses, doubles, delays and reorders. Whatever it
 * does, every accepted execution and flow comes to its end, with nobody helping.
 */
const flowsCount = 12
const solosCount = 20
const partitionCount = 4
const workersCount = 4
const kinds = ['a', 'b', 'c', 'd', 'e', 'solo'].map(parseKind)

let stage: Stage

afterEach(() => stage.close())

type Random = ReturnType<typeof createRandom>

const plans: readonly GraphPlan[] = [
  { a: {}, b: { after: ['a'] }, c: { after: ['b'] }, d: { after: ['c'] }, e: { after: ['d'] } },
  { a: {}, b: {}, c: { after: ['a', 'b'], join: { policy: { kind: 'any_of' } } }, d: { after: ['c'] } },
  {
    a: {},
    b: {},
    c: {},
    d: { after: ['a', 'b', 'c'], join: { policy: { kind: 'quorum', k: 2 } } },
    e: { after: ['d'], join: { runOn: 'always' } },
  },
  { a: {}, b: { after: ['a'] }, c: { after: ['b'], join: { runOn: 'groupImpossible' } } },
]

/** Makes the network bad until told otherwise. */
function spoil(random: Random): void {
  const chance = (share: number) => random.next() < share
  const pause = (mostMs: number) =>
    new Promise<void>((resolve) => stage.clock.setTimer(random.next() * mostMs, resolve))
  stage.disturb = async (operation) => {
    if (chance(0.03)) throw engineError('timed_out', `${operation} was lost on its way`)
    if (chance(0.2)) await pause(200)
  }
  stage.disturbAnswer = async (operation) => {
    if (chance(0.2)) await pause(200)
    if (chance(0.03)) throw engineError('connection_lost', `the answer of ${operation} was lost`)
  }
  stage.passHint = (hint: Hint) => {
    if (chance(0.3)) return false
    if (chance(0.2)) stage.clock.setTimer(random.next() * 2_000, () => repeat(hint))
    return true
  }
}

/** Late and doubled, to everyone who listens. */
function repeat(hint: Hint): void {
  for (const listener of stage.model.store.listeners) listener(hint)
}

/** A worker that sometimes forgets what it holds, as a process that was killed would. */
async function work(engine: Engine, random: Random, isOver: () => boolean): Promise<void> {
  const instanceId = mintInstanceId()
  const { leases } = engine.backend
  let lanes = [lane]
  for (let claimId = mintClaimId(); !isOver(); ) {
    lanes = [lane, ...flowLanes]
    try {
      const request = { claimId, instanceId, lanes, kinds, max: 3, leaseTtlMs: 4_000, waitMs: 5_000 }
      const claim = await leases.claim(stage.aClaim(request))
      claimId = mintClaimId()
      for (const lease of claim.outcome === 'claimed' ? claim.leases : []) await end(lease)
    } catch (error) {
      if (isOver()) return
      // The same claim id again: what a lost answer claimed is not parked for a whole lease.
      if (!isEngineError(error)) throw error
      await new Promise<void>((resolve) => stage.clock.setTimer(100, resolve))
    }
  }

  async function end({ handle }: ClaimedExecution): Promise<void> {
    await new Promise<void>((resolve) => stage.clock.setTimer(random.next() * 500, resolve))
    const fate = random.next()
    if (fate < 0.1) return
    const failure = { category: 'error', message: 'drawn' }
    if (fate < 0.3) await leases.fail({ namespaces: [namespace], items: [{ handle, failure }] })
    else await leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })
  }
}

let flowLanes: (typeof lane)[] = []

describe.each([0, 64])('with a bad network, resolving %i edges inline', (inlineResolveEdges) => {
  it.each([1, 2, 3, 4])('everything comes to its end (seed %i)', { timeout: 60_000 }, async (seed) => {
    const random = createRandom(seed)
    stage = openStage({ partitionCount, inlineResolveEdges })
    flowLanes = []
    const engines = [1, 2, 3].map(() => stage.openEngine({ random: () => random.next() }))
    for (const engine of engines) await engine.start()
    let over = false
    const workers = Array.from({ length: workersCount }, (_, index) => {
      const engine = engines[index % 2]
      return engine === undefined ? Promise.resolve() : work(engine, random, () => over)
    })
    spoil(random)

    const flows: FlowDriver[] = []
    const stageOfFlow = { backend: stage.model, namespace, partitions: flowPartitions(partitionCount) }
    const retry = {
      maxAttempts: 3,
      backoff: { kind: 'fixed', initialMs: 200, multiplier: 1, maxMs: 200, jitter: false },
      nonRetryable: [],
    } as const
    for (let each = 0; each < flowsCount; each++) {
      const plan = plans[each % plans.length] ?? {}
      const withRetry = Object.fromEntries(
        Object.entries(plan).map(([name, node]) => [name, { ...node, retry }]),
      )
      const flow = await FlowDriver.submit(stageOfFlow, withRetry)
      flows.push(flow)
      flowLanes.push(flow.lane)
      await stage.clock.advance(random.next() * 300)
    }
    const solos = []
    for (let each = 0; each < solosCount; each++) {
      solos.push(
        await stage.submit({ kind: parseKind('solo'), retry, delayMs: Math.floor(random.next() * 5_000) }),
      )
    }
    await stage.clock.advance(15_000)
    // The third engine is killed: it never says goodbye, and its share is without an owner for a while.
    void engines[2]?.stop({ graceMs: 0 })
    const goodbye = stage.disturb
    stage.disturb = (operation, params) =>
      operation === 'engines.heartbeat' && isOf(engines[2], params)
        ? Promise.reject(engineError('timed_out', 'dead'))
        : goodbye?.(operation, params)
    await stage.clock.advance(60_000)
    stage.disturb = undefined
    stage.disturbAnswer = undefined
    await stage.clock.advance(30_000)

    const ended: readonly string[] = terminalPublicStates
    for (const id of solos) expect(ended).toContain(await stage.stateOf(id))
    for (const flow of flows) {
      const states = await flow.states()
      expect(Object.values(states).filter((state) => !ended.includes(state))).toEqual([])
      expect(['completed', 'failed']).toContain((await flow.flow()).state)
    }
    const { counts } = await stage.model.maintenance.describe()
    expect(counts.outbox).toBe(0)
    over = true
    await stage.clock.advance(6_000)
    await Promise.all(workers)
  })
})

function isOf(engine: Engine | undefined, params: unknown): boolean {
  return (
    typeof params === 'object' &&
    params !== null &&
    'engineId' in params &&
    params.engineId === engine?.engineId
  )
}
