import {
  type ClaimedExecution,
  type ClaimRequest,
  checkClaim,
  limits,
  parseKind,
  partitionTagOf,
} from '@flowfabric/core'
import { claimableNow } from '../../model/claim.js'
import { isActive } from '../../model/facts.js'
import { laneOf } from '../../model/lane-records.js'
import type { ExecutionRecord } from '../../model/records.js'
import { keepLeases, type Side, type World } from '../world.js'
import { type Carried, type Claims, leasesOf, nameClaim } from './claims.js'
import { demandKinds } from './demands.js'
import { linesServed } from './lines.js'

/**
 * All are asked the same claim and must hand out the same. What is promised is the order within one lane of one
 * partition; between those a store may choose. So the request is narrowed, before it is sent, to one whose answer
 * follows from the promise: it takes all that can be had, or it takes from one lane of one partition alone.
 */
export const claimsInOrder: Claims = {
  alone(world, asked) {
    const request = narrowed(world, asked)
    return {
      text: `leases.claim ${nameClaim(request)}`,
      on: async (backend) => {
        const answer = await backend.leases.claim(request)
        return { ...answer, ...('leases' in answer ? { leases: inOneOrder(answer.leases) } : {}) }
      },
      keep: (answers) => {
        world.lastClaims.push(request)
        keepAll(world, answers, (answer) => leasesOf(answer as Parameters<typeof leasesOf>[0]))
      },
    }
  },
  along(world, call, asked) {
    let next = asked
    return {
      text: `${call.text}, next ${nameClaim(asked)}`,
      on: async (backend, side) => {
        if (side !== 'model') {
          const { items, claimed } = await call.on(backend, side, next)
          return { items, claimed: inOneOrder(claimed) }
        }
        // The model goes first: what the operation brought decides what the claim can get.
        checkClaim(asked)
        const before = holdersOf(world)
        const { items } = await call.on(backend, side)
        // What the operation gives back comes back by a message on some stores, and the claim goes along with it.
        const hasGivenBack = [...before].some((holder) => !holdersOf(world).has(holder))
        next = narrowed(world, hasGivenBack ? withoutDemands(asked) : asked)
        return { items, claimed: inOneOrder(leasesOf(await backend.leases.claim(next))) }
      },
      keep: (answers) => {
        world.lastClaims.push(next)
        keepAll(world, answers, (answer) => (answer as Partial<Carried>).claimed ?? [])
        call.keep?.(answers)
      },
    }
  },
}

function keepAll(
  world: World,
  answers: ReadonlyMap<Side, unknown>,
  read: (answer: unknown) => readonly ClaimedExecution[],
): void {
  keepLeases(world, new Map([...answers].map(([side, answer]) => [side, read(answer)])))
}

/** Slots of quotas and reservations in budgets, by whose they are. */
function holdersOf({ model: { store } }: World): ReadonlySet<string> {
  const slots = [...store.quotas.values()].flatMap(({ id, keys }) =>
    [...keys].flatMap(([key, { holders }]) => [...holders.keys()].map((name) => `${id}/${key} ${name}`)),
  )
  const reserved = [...store.budgets.values()].flatMap(({ id, reservations }) =>
    [...reservations.keys()].map((name) => `${id} ${name}`),
  )
  return new Set([...slots, ...reserved])
}

function withoutDemands(asked: ClaimRequest): ClaimRequest {
  const kinds = asked.kinds.filter((kind) => !demandKinds.includes(kind))
  return kinds.length === 0 ? unserved(asked) : { ...asked, kinds }
}

/** What is taken out of several queues comes in the order of whom the store asked first. */
function inOneOrder(leases: readonly ClaimedExecution[]): readonly ClaimedExecution[] {
  return [...leases].sort((a, b) => (a.executionId < b.executionId ? -1 : 1))
}

/** The same request, or one for less, of which the promised order alone decides what it gets. */
function narrowed(world: World, asked: ClaimRequest): ClaimRequest {
  // A malformed one is refused whatever there is.
  if (asked.max > limits.claimBatchMax || isHeld(world, asked)) return asked
  const byLane = asked.lanes.map((lane) => ({ ...asked, lanes: [lane] }))
  const byKind = byLane.flatMap((of) => asked.kinds.map((kind) => ({ ...of, kinds: [kind] })))
  const wider = { ...asked, max: Math.max(asked.max, Math.min(limits.claimBatchMax, allOf(world, asked))) }
  const decided = [asked, ...byLane, wider, ...byKind].filter((request) => isDecided(world, request))
  // The first that gets anything; if there is none, one that gets nothing.
  return decided.find((request) => allOf(world, request) > 0) ?? decided[0] ?? unserved(asked)
}

/** A repeat is answered what its first call got. */
function isHeld(world: World, { claimId, instanceId }: ClaimRequest): boolean {
  return [...world.model.store.executions.values()].some(
    ({ lease }) => lease?.claimId === claimId && lease.instanceId === instanceId,
  )
}

function isDecided(world: World, request: ClaimRequest): boolean {
  const lines = linesServed(world, request)
  if (lines === 'one') return true
  if (lines === 'undecided') return false
  const queues = queuesOf(world, request)
  if (lines === 'all_fit') {
    const hasRoom = queues.every(({ lane }) => waitingIn(queues, lane) <= roomIn(world, lane))
    return hasRoom && queues.reduce((sum, { length }) => sum + length, 0) <= request.max
  }
  if (queues.length <= 1) return true
  const isTakenWhole = queues.every(
    ({ lane }) =>
      queues.filter((other) => other.lane === lane).length === 1 ||
      waitingIn(queues, lane) <= roomIn(world, lane),
  )
  return isTakenWhole && allOf(world, request) <= request.max
}

/** How many could be had, were there no `max`. */
function allOf(world: World, request: ClaimRequest): number {
  const queues = queuesOf(world, request)
  const lanes = [...new Set(queues.map(({ lane }) => lane))]
  return lanes.reduce((sum, lane) => sum + Math.min(waitingIn(queues, lane), roomIn(world, lane)), 0)
}

interface Queue {
  readonly lane: ExecutionRecord['lane']
  readonly partition: string
  length: number
}

function queuesOf(world: World, request: ClaimRequest): readonly Queue[] {
  const queues: Queue[] = []
  for (const { lane, id } of claimableNow(world.model.store, request)) {
    const partition = partitionTagOf(id)
    const known = queues.find((queue) => queue.lane === lane && queue.partition === partition)
    if (known === undefined) queues.push({ lane, partition, length: 1 })
    else known.length += 1
  }
  return queues
}

function waitingIn(queues: readonly Queue[], lane: ExecutionRecord['lane']): number {
  return queues.filter((queue) => queue.lane === lane).reduce((sum, { length }) => sum + length, 0)
}

function roomIn(world: World, lane: ExecutionRecord['lane']): number {
  const { concurrency } = laneOf(world.model.store, world.namespace, lane)
  if (concurrency === null) return Number.POSITIVE_INFINITY
  const active = [...world.model.store.executions.values()].filter(
    (x) => x.namespace === world.namespace && x.lane === lane && isActive(x),
  )
  return Math.max(0, concurrency - active.length)
}

/** Both partitions of a capped lane have work of one kind, and it has room for some of it: nothing says for which. */
function unserved(asked: ClaimRequest): ClaimRequest {
  return { ...asked, capabilities: [], kinds: [unservedKind] }
}

const unservedKind = parseKind('nobody-asks')
