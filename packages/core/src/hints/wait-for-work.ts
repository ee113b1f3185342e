import type { ClaimedExecution, ClaimRequest } from '../contract/leases.js'
import type { ReadyWaiters } from './ready-waiters.js'

/** A lost hint delays a waiting claim by so much, longer the longer nothing came. */
const recheckMsMin = 1_000
const recheckMsMax = 10_000

/**
 * A claim that waits up to `waitMs` for work: looks, then again whenever a hint wakes it, and now and then without one.
 * Ends early when its signal or `closing` aborts.
 */
export async function waitForWork(
  waiters: ReadyWaiters,
  params: ClaimRequest,
  look: (request: ClaimRequest) => Promise<readonly ClaimedExecution[]>,
  closing: AbortSignal,
): Promise<readonly ClaimedExecution[]> {
  const lanes = new Set(
    params.namespaces.flatMap((namespace) => params.lanes.map((lane) => `${namespace}/${lane}`)),
  )
  const signals = params.signal === undefined ? [closing] : [closing, params.signal]
  // The process's own clock: it measures how long the caller waits, never what is due.
  const endsAt = performance.now() + (params.waitMs ?? 0)
  let recheckMs = recheckMsMin
  let ticket = waiters.enter(params, lanes)
  try {
    let claimed = await look(params)
    while (claimed.length === 0) {
      const leftMs = endsAt - performance.now()
      if (leftMs <= 0 || signals.some((signal) => signal.aborted)) return claimed
      const baton = await ticket.wait(Math.min(leftMs, recheckMs), signals)
      recheckMs = baton === undefined ? Math.min(recheckMs * 2, recheckMsMax) : recheckMsMin
      if (signals.some((signal) => signal.aborted)) {
        if (baton !== undefined) waiters.pass(baton, 0)
        return claimed
      }
      ticket = waiters.enter(params, lanes)
      claimed = await look(params)
      if (baton !== undefined) waiters.pass(baton, claimed.length)
    }
    return claimed
  } finally {
    ticket.leave()
  }
}
