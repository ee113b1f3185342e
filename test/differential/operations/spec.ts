import type { ExecutionId, ExecutionSpec, Kind, LaneId, RetryPolicy } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import type { World } from '../world.js'
import { chooseDemands } from './demands.js'

export const encode = (text: string) => new TextEncoder().encode(text)

/** An input or a result, now and then one that Valkey keeps apart from its record, and PostgreSQL compressed. */
export const choosePayload = (c: Chooser, text: string) =>
  encode(c.rarely(6) ? text.padEnd(3_000, '.') : text)

/** No draws: two stores would draw differently. */
function retryOf(maxAttempts: number, initialMs: number): RetryPolicy {
  return {
    maxAttempts,
    backoff: { kind: 'exponential', initialMs, multiplier: 2, maxMs: 60_000, jitter: false },
    nonRetryable: ['fatal'],
  }
}

interface Named {
  readonly id: ExecutionId
  readonly lane: LaneId
  readonly kind: Kind
  /** Of the item in its call. */
  readonly place: number
}

/**
 * What one call brings is in no promised order, so no two of its items may ever have the same score: the last digit of
 * a priority, to the base of 8, is the item's place in the call. Ready times and ageing never make up for it, since the
 * former are whole seconds and a priority of a lane that ages counts 1,003 ms.
 */
export const choosePriority = (c: Chooser, place: number) => 8 * c.below(4) + place
export const ageingMs = 1_003

/** What a unit of work asks for, valid but for once in a while. */
export function chooseSpec(c: Chooser, world: World, { place, ...named }: Named): ExecutionSpec {
  const timeouts = {
    ...(c.rarely(5) ? { deadlineMs: c.of([20_000, 90_000]) } : {}),
    ...(c.rarely(6) ? { attemptTimeoutMs: c.of([10_000, 50_000]) } : {}),
    ...(c.rarely(6) ? { queueTtlMs: c.of([15_000, 70_000]) } : {}),
  }
  if (!world.model.store.executions.has(named.id)) world.places.set(named.id, place)
  return {
    ...named,
    input: c.rarely(2) ? choosePayload(c, `input ${c.below(2)}`) : null,
    retry: retryOf(1 + c.below(3), c.of([0, 2_000, 30_000])),
    // A second lost lease would draw its pause.
    maxReclaims: c.below(2),
    priority: c.rarely(36) ? 9_001 : c.rarely(3) ? choosePriority(c, place) : place,
    ...(c.rarely(8) ? { capabilities: c.rarely(5) ? ['no,comma'] : ['gpu'] } : {}),
    ...(c.rarely(5) ? { tags: { 'team.name': c.of(['blue', 'red']) } } : {}),
    ...(c.rarely(6) ? { delayMs: c.of([1_000, 40_000]) } : {}),
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
    ...chooseDemands(c, world),
  }
}
