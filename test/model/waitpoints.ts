import {
  type EngineError,
  engineError,
  limits,
  type Namespace,
  type NewWaitpoint,
  type WaitpointId,
  type WaitpointState,
} from '@flowfabric/core'
import { isTerminal } from './facts.js'
import type { ExecutionRecord, WaitpointRecord } from './records.js'
import type { Model } from './store.js'

interface Found {
  readonly x: ExecutionRecord
  readonly waitpoint: WaitpointRecord
}

/** Throws `waitpoint_not_found`, also for another namespace's. */
export function findWaitpoint(model: Model, namespace: Namespace, id: WaitpointId): Found {
  const found = lookUpWaitpoint(model, id)
  if (found.x.namespace === namespace) return found
  throw engineError('waitpoint_not_found', `no waitpoint ${id} in namespace ${namespace}`)
}

/** In whichever namespace. Throws `waitpoint_not_found`. */
export function lookUpWaitpoint(model: Model, id: WaitpointId): Found {
  for (const x of model.executions.values()) {
    const waitpoint = x.waitpoints.find((each) => each.id === id)
    if (waitpoint !== undefined) return { x, waitpoint }
  }
  throw engineError('waitpoint_not_found', `no waitpoint ${id}`)
}

/** Closed waitpoints are closed for good, those of what has ended until it is replayed; time needs nobody to pass. */
export function stateOfWaitpoint(
  model: Model,
  x: ExecutionRecord,
  waitpoint: WaitpointRecord,
): WaitpointState {
  if (waitpoint.closed) return 'closed'
  if (waitpoint.expiresAtMs !== null && waitpoint.expiresAtMs <= model.clock.nowMs()) return 'expired'
  return isTerminal(x) ? 'closed' : 'open'
}

/** Whether the id or the name is taken by another waitpoint. */
export function conflictOf(model: Model, x: ExecutionRecord, { waitpointId, name }: NewWaitpoint): boolean {
  for (const other of model.executions.values()) {
    if (other.id !== x.id && other.waitpoints.some(({ id }) => id === waitpointId)) return true
  }
  return x.waitpoints.some((each) => (each.id === waitpointId) !== (each.name === name))
}

/** The error when so many more would be too many. */
export function requireRoom(x: ExecutionRecord, more: number): EngineError | undefined {
  const actual = x.waitpoints.length + more
  if (more === 0 || actual <= limits.waitpointsMax) return undefined
  return engineError('too_many_waitpoints', `${actual} waitpoints, at most ${limits.waitpointsMax}`, {
    max: limits.waitpointsMax,
    actual,
  })
}

export function addWaitpoint(
  model: Model,
  x: ExecutionRecord,
  { waitpointId, name, expiresAtMs }: NewWaitpoint,
): WaitpointRecord {
  const createdAtMs = model.clock.nowMs()
  const waitpoint = { id: waitpointId, name, createdAtMs, expiresAtMs: expiresAtMs ?? null, closed: false }
  x.waitpoints.push(waitpoint)
  return waitpoint
}
