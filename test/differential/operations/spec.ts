import type { ExecutionId, ExecutionSpec, Kind, LaneId, RetryPolicy } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'

export const encode = (text: string) => new TextEncoder().encode(text)

/** No draws: two stores would draw differently. */
function retryOf(maxAttempts: number, initialMs: number): RetryPolicy {
  return {
    maxAttempts,
    backoff: { kind: 'exponential', initialMs, multiplier: 2, maxMs: 60_000, jitter: false },
    nonRetryable: ['fatal'],
  }
}

/** What a unit of work asks for, valid but for once in a while. */
export function chooseSpec(
  c: Chooser,
  named: { readonly id: ExecutionId; readonly lane: LaneId; readonly kind: Kind },
): ExecutionSpec {
  const timeouts = {
    ...(c.rarely(5) ? { deadlineMs: c.of([20_000, 90_000]) } : {}),
    ...(c.rarely(6) ? { attemptTimeoutMs: c.of([10_000, 50_000]) } : {}),
    ...(c.rarely(6) ? { queueTtlMs: c.of([15_000, 70_000]) } : {}),
  }
  return {
    ...named,
    input: c.rarely(2) ? encode(`input ${c.below(2)}`) : null,
    retry: retryOf(1 + c.below(3), c.of([0, 2_000, 30_000])),
    // A second lost lease would draw its pause.
    maxReclaims: c.below(2),
    ...(c.rarely(3) ? { priority: c.rarely(12) ? 9_001 : c.below(4) } : {}),
    ...(c.rarely(8) ? { capabilities: c.rarely(5) ? ['no,comma'] : ['gpu'] } : {}),
    ...(c.rarely(5) ? { tags: { 'team.name': c.of(['blue', 'red']) } } : {}),
    ...(c.rarely(6) ? { delayMs: c.of([1_000, 40_000]) } : {}),
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
  }
}
