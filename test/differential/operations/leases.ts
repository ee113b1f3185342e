import {
  type ClaimRequest,
  limits,
  makeExecutionId,
  mintClaimId,
  mintUuid,
  parseExecutionId,
} from '@flowfabric/core'
import { claimableNow } from '../../model/claim.js'
import { answerOf, normalize } from '../answers.js'
import type { Chooser } from '../chooser.js'
import {
  type Call,
  type HandlePair,
  keepLeases,
  kinds,
  lanes,
  type Play,
  type World,
  workerId,
} from '../world.js'
import { chooseExecution, chooseNamespace } from './executions.js'
import { encode } from './spec.js'

type Claimed = { readonly leases?: readonly import('@flowfabric/core').ClaimedExecution[] }

function chooseClaim(c: Chooser, world: World): ClaimRequest {
  const again = c.rarely(10) ? world.lastClaims.at(-1) : undefined
  if (again !== undefined) return again
  return {
    claimId: mintClaimId(),
    workerId,
    instanceId: world.instances[c.below(2)] ?? world.instances[0],
    namespaces: [world.namespace],
    lanes: c.rarely(3) ? [c.of(lanes)] : [...lanes],
    kinds: c.rarely(3) ? [c.of(kinds)] : [...kinds],
    capabilities: c.rarely(2) ? ['gpu'] : [],
    max: c.rarely(20) ? limits.claimBatchMax + 1 : 1 + c.below(4),
    leaseTtlMs: c.of([60_000, 5_000, 600_000]),
  } as ClaimRequest
}

/**
 * Two stores may choose differently among lanes. So the store chooses, its choice is judged by what the model could have
 * handed out, and the model then leases the same.
 */
export function claim(c: Chooser, world: World): Play {
  const request = chooseClaim(c, world)
  return {
    text: `leases.claim ${request.max} of ${request.lanes} for ${request.kinds} with [${request.capabilities}]`,
    play: async () => {
      const isRepeat = world.lastClaims.some(({ claimId }) => claimId === request.claimId)
      const candidates = claimableNow(world.model.store, request)
      const store = (await answerOf(() => world.store.leases.claim(request))) as Claimed & { thrown?: string }
      const ids = store.leases?.map(({ executionId }) => executionId) ?? []
      world.model.store.claimOnly = new Set(ids)
      const model = (await answerOf(() => world.model.leases.claim(request))) as Claimed
      world.model.store.claimOnly = null
      world.lastClaims.push(request)
      keepLeases(world, model.leases ?? [], store.leases ?? [])
      const differences: string[] = []
      const [mine, its] = [byId(model), byId(store)].map((answer) => JSON.stringify(normalize(answer)))
      if (mine !== its) differences.push(`the model leases ${mine},\n the store ${its}`)
      if (!isRepeat && store.thrown === undefined)
        differences.push(...judgeChoice(world, request, candidates, ids))
      return { outcomes: [store.thrown ?? (ids.length === 0 ? 'empty' : 'claimed')], differences }
    },
  }
}

function byId(answer: Claimed): unknown {
  if (answer.leases === undefined) return answer
  return { ...answer, leases: [...answer.leases].sort((a, b) => (a.executionId < b.executionId ? -1 : 1)) }
}

/** In each lane and partition the best ones first, and as many as there are. */
function judgeChoice(
  world: World,
  request: ClaimRequest,
  candidates: ReturnType<typeof claimableNow>,
  ids: readonly string[],
): string[] {
  const found: string[] = []
  const queues = new Map<string, string[]>()
  for (const { lane, id } of candidates) {
    const queue = `${lane} ${parseExecutionId(id).slice(0, id.indexOf('}'))}`
    queues.set(queue, [...(queues.get(queue) ?? []), id])
  }
  // What one call submitted together has no order of its own: it stands where its first item does.
  const places = new Map<string, number>()
  for (const { id, score } of candidates) {
    const together = `${world.calls.get(id)} ${score}`
    if (!places.has(together)) places.set(together, places.size)
  }
  const placeOf = new Map(
    candidates.map(({ id, score }) => [id as string, places.get(`${world.calls.get(id)} ${score}`) ?? 0]),
  )
  for (const [queue, order] of queues) {
    const taken = order.filter((id) => ids.includes(id))
    const last = Math.max(...taken.map((id) => placeOf.get(id) ?? 0))
    const passedOver = order.filter((id) => !ids.includes(id) && (placeOf.get(id) ?? 0) < last)
    if (passedOver.length > 0) found.push(`out of ${queue} } it took ${taken} before ${passedOver}`)
  }
  const room = request.lanes.map((lane) => {
    const waiting = candidates.filter((x) => x.lane === lane).length
    const { concurrency } = world.model.store.lanes.get(`${world.namespace}/${lane}`) ?? { concurrency: null }
    const active = [...world.model.store.executions.values()].filter(
      (x) => x.lane === lane && x.state.lifecyclePhase === 'active' && !ids.includes(x.id),
    ).length
    return concurrency === null ? waiting : Math.min(waiting, Math.max(0, concurrency - active))
  })
  const expected = Math.min(
    request.max,
    room.reduce((sum, each) => sum + each, 0),
  )
  if (ids.length !== expected) found.push(`it handed out ${ids.length} where ${expected} could be had`)
  return found
}

/** A lease that was handed out once; now and then what never was one. */
function chooseHandle(c: Chooser, world: World): HandlePair {
  const recent = world.handles.slice(-6)
  const known = c.rarely(3)
    ? c.among(world.handles)
    : recent[recent.length - 1 - c.below(Math.max(1, recent.length))]
  if (known === undefined || c.rarely(30)) return { model: 'no handle', store: 'no handle' }
  return known
}

function chooseHandles(c: Chooser, world: World): HandlePair[] {
  return Array.from({ length: c.rarely(4) ? 2 : 1 }, () => chooseHandle(c, world))
}

const scope = (c: Chooser, world: World) => ({ namespaces: [c.rarely(30) ? world.foreign : world.namespace] })

const nameOf = (world: World, pairs: readonly HandlePair[]) =>
  pairs.map((pair) => `#${world.handles.indexOf(pair)}`).join(' ')

export function renew(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const leaseTtlMs = c.rarely(15) ? 1 : c.of([60_000, 1_000, 300_000])
  const scoped = scope(c, world)
  return {
    text: `leases.renew ${nameOf(world, pairs)} for ${leaseTtlMs}`,
    on: (backend, side) =>
      backend.leases.renew({ ...scoped, items: pairs.map((pair) => ({ handle: pair[side], leaseTtlMs })) }),
  }
}

export function complete(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const result = c.rarely(2) ? encode(`result ${c.below(3)}`) : null
  const scoped = scope(c, world)
  return {
    text: `leases.complete ${nameOf(world, pairs)}`,
    on: (backend, side) =>
      backend.leases.complete({ ...scoped, items: pairs.map((pair) => ({ handle: pair[side], result })) }),
  }
}

export function fail(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const failure = { category: c.of(['error', 'fatal', 'timeout']), message: 'it broke' }
  const wish = c.below(4)
  const scoped = scope(c, world)
  return {
    text: `leases.fail ${nameOf(world, pairs)} as ${failure.category}, wish ${wish}`,
    on: async (backend, side) => {
      const nowMs = await backend.maintenance.serverTimeMs()
      const retry = ([undefined, 'never', { afterMs: 3_000 }, { atMs: nowMs - 5 }] as const)[wish]
      const items = pairs.map((pair) => ({
        handle: pair[side],
        failure,
        ...(retry === undefined ? {} : { retry }),
      }))
      return backend.leases.fail({ ...scoped, items })
    },
  }
}

export function delay(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const byMs = c.of([7_000, 0, 80_000])
  const scoped = scope(c, world)
  return {
    text: `leases.delay ${nameOf(world, pairs)} by ${byMs}`,
    on: async (backend, side) => {
      const untilMs = (await backend.maintenance.serverTimeMs()) + byMs
      return backend.leases.delay({
        ...scoped,
        items: pairs.map((pair) => ({ handle: pair[side], untilMs })),
      })
    },
  }
}

function yieldLeases(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const scoped = scope(c, world)
  return {
    text: `leases.yield ${nameOf(world, pairs)}`,
    on: (backend, side) =>
      backend.leases.yield({ ...scoped, items: pairs.map((pair) => ({ handle: pair[side] })) }),
  }
}

export { yieldLeases as yield }

export function revoke(c: Chooser, world: World): Call {
  const leased = [...world.model.store.executions.values()].filter(
    (x) => x.namespace === world.namespace && x.lease !== null,
  )
  const id = c.rarely(4) ? chooseExecution(c, world) : (c.among(leased)?.id ?? makeExecutionId(0, mintUuid()))
  const params = { namespace: chooseNamespace(c, world), id }
  return { text: `leases.revoke ${id}`, on: (backend) => backend.leases.revoke(params) }
}
