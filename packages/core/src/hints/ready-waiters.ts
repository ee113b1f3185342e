import type { Hint } from '../contract/events.js'

/** One hint of work, handed from claim to claim until as much was claimed as it promised. */
export interface Baton {
  readonly lane: string
  remaining: number
  /** Claims that had it; none gets it twice. */
  readonly tried: Set<object>
}

/** A claim's place among those that wait. Taken before it looks, so that no hint falls between look and wait. */
export interface Ticket {
  /** Waits for a hint, at most so long: answers at once if one came since the ticket was taken. */
  wait(ms: number, signals: readonly AbortSignal[]): Promise<Baton | undefined>
  /** Gives the place up; a hint that came meanwhile goes on to the next. */
  leave(): void
}

/**
 * Claims that wait for work. A hint wakes no more of them than there is work: the first one that serves the lane; what
 * it leaves, or cannot serve, goes on to the next.
 */
export interface ReadyWaiters {
  onHint(hint: Hint): void
  /** `claim` is the same object for all looks of one claim; lanes are `namespace/lane`. */
  enter(claim: object, lanes: ReadonlySet<string>): Ticket
  /** Tells what the woken claim got. */
  pass(baton: Baton, claimed: number): void
}

/** Calls back once after so many ms, unless what it answers is called before: core has no timers of its own. */
export type StartTimer = (onEnd: () => void, ms: number) => () => void

interface Waiter {
  readonly claim: object
  readonly lanes: ReadonlySet<string>
  baton: Baton | undefined
  wake: (() => void) | undefined
}

export function createReadyWaiters(startTimer: StartTimer): ReadyWaiters {
  const waiters = new Set<Waiter>()

  const hand = (baton: Baton) => {
    for (const waiter of waiters) {
      if (!waiter.lanes.has(baton.lane) || baton.tried.has(waiter.claim)) continue
      waiters.delete(waiter)
      baton.tried.add(waiter.claim)
      waiter.baton = baton
      waiter.wake?.()
      return
    }
  }

  return {
    onHint(hint) {
      if (hint.type !== 'ready' || waiters.size === 0) return
      // Nobody knows how much: everybody may look, one after the other.
      const remaining = hint.count === 0 ? Number.POSITIVE_INFINITY : hint.count
      hand({ lane: `${hint.namespace}/${hint.lane}`, remaining, tried: new Set() })
    },
    enter(claim, lanes) {
      const waiter: Waiter = { claim, lanes, baton: undefined, wake: undefined }
      waiters.add(waiter)
      return {
        async wait(ms, signals) {
          if (waiter.baton === undefined && ms > 0 && !signals.some((signal) => signal.aborted)) {
            await untilWoken(waiter, signals, (onEnd) => startTimer(onEnd, ms))
          }
          waiters.delete(waiter)
          return waiter.baton
        },
        leave() {
          waiters.delete(waiter)
          if (waiter.baton !== undefined) hand(waiter.baton)
        },
      }
    },
    pass(baton, claimed) {
      baton.remaining -= claimed
      if (baton.remaining > 0) hand(baton)
    },
  }
}

function untilWoken(
  waiter: Waiter,
  signals: readonly AbortSignal[],
  startTimer: (onEnd: () => void) => () => void,
): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stopTimer()
      for (const signal of signals) signal.removeEventListener('abort', end)
      waiter.wake = undefined
      resolve()
    }
    const stopTimer = startTimer(end)
    for (const signal of signals) signal.addEventListener('abort', end, { once: true })
    waiter.wake = end
  })
}
