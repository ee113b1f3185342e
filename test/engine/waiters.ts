import type { ClaimOutcome, ClaimRequest } from '@flowfabric/core'
import type { Engine } from '@flowfabric/engine'
import type { Stage } from './stage.js'

/** A claim that was begun, and what it came to. */
export interface Waiter {
  readonly request: ClaimRequest
  answer: ClaimOutcome | undefined
  error: unknown
}

/** Begins a claim and notes what it comes to. */
export function beginClaim(stage: Stage, engine: Engine, traits: Partial<ClaimRequest> = {}): Waiter {
  const waiter: Waiter = { request: stage.aClaim(traits), answer: undefined, error: undefined }
  engine.backend.leases.claim(waiter.request).then(
    (answer) => {
      waiter.answer = answer
    },
    (error: unknown) => {
      waiter.error = error
    },
  )
  return waiter
}

export function claimedIn(waiters: readonly Waiter[]): number {
  return waiters.reduce(
    (sum, { answer }) => sum + (answer?.outcome === 'claimed' ? answer.leases.length : 0),
    0,
  )
}
