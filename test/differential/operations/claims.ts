import {
  type ClaimedExecution,
  type ClaimRequest,
  type FoundationBackend,
  type Kind,
  limits,
  parseClaimId,
} from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, kinds, lanes, type Play, type Side, type World, workerId } from '../world.js'
import { demandKinds } from './demands.js'

/** How claims are compared: `claimsByChoice` or `claimsInOrder`. */
export interface Claims {
  alone(world: World, request: ClaimRequest): Call | Play
  along(world: World, call: CarryingCall, request: ClaimRequest): Call | Play
}

/** An operation that a claim may go along with. */
export interface CarryingCall extends Pick<Call, 'text' | 'keep'> {
  readonly on: (backend: FoundationBackend, side: Side, next?: ClaimRequest | undefined) => Promise<Carried>
}

export interface Carried {
  readonly items: readonly unknown[]
  readonly claimed: readonly ClaimedExecution[]
}

function chooseClaim(c: Chooser, world: World): ClaimRequest {
  const again = c.rarely(10) ? world.lastClaims.at(-1) : undefined
  if (again !== undefined) return again
  return {
    claimId: parseClaimId(world.minting.uuid()),
    workerId,
    instanceId: world.instances[c.below(2)] ?? world.instances[0],
    namespaces: [world.namespace],
    lanes: c.rarely(3) ? [c.of(lanes)] : [...lanes],
    kinds: chooseKinds(c, world),
    capabilities: c.rarely(2) ? ['gpu'] : [],
    max: c.rarely(20) ? limits.claimBatchMax + 1 : 1 + c.below(4),
    leaseTtlMs: c.of([60_000, 5_000, 600_000]),
  }
}

/** Of work that names quotas or budgets one admission key mostly, see `demandKinds`. */
function chooseKinds(c: Chooser, { model }: World): readonly Kind[] {
  const { executions } = model.store
  const keyed = demandKinds.filter((kind) =>
    [...executions.values()].some((x) => x.kind === kind && x.state.eligibilityState === 'eligible_now'),
  )
  const wanted = keyed.length > 0 && c.rarely(2) ? c.among(keyed) : undefined
  if (wanted !== undefined) return c.rarely(5) ? [...kinds, ...demandKinds] : [wanted]
  return c.rarely(3) ? [c.of(kinds)] : [...kinds]
}

export const nameClaim = (request: ClaimRequest) =>
  `${request.max} of ${request.lanes} for ${request.kinds} with [${request.capabilities}]`

export function claim(c: Chooser, world: World): Call | Play {
  return world.claims.alone(world, chooseClaim(c, world))
}

/** Now and then with a claim that goes along: it is that operation, and then the claim. */
export function withNext(c: Chooser, world: World, call: CarryingCall): Call | Play {
  const next = c.rarely(3) ? chooseClaim(c, world) : undefined
  if (next === undefined) return { ...call, on: (backend, side) => call.on(backend, side) }
  return world.claims.along(world, call, next)
}

export const leasesOf = (outcome: Awaited<ReturnType<FoundationBackend['leases']['claim']>>) =>
  outcome.outcome === 'claimed' ? outcome.leases : []
