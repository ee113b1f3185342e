import type { Clock } from './clock.js'

/** A clock that stands still until it is told to move: an engine under it runs the same way every time. */
export interface ManualClock extends Clock {
  /** Moves on, running each timer at its time and letting what it began come to rest before the next. */
  advance(byMs: number): Promise<void>
  /** Lets everything come to rest that needs no time. */
  settle(): Promise<void>
  /** Timers that wait. */
  readonly pending: number
}

export function createManualClock(startMs = 0): ManualClock {
  const timers = new Set<{ readonly atMs: number; readonly order: number; readonly run: () => void }>()
  let nowMs = startMs
  let order = 0

  function nextUntil(untilMs: number) {
    let next: { readonly atMs: number; readonly order: number; readonly run: () => void } | undefined
    for (const timer of timers) {
      const isEarlier =
        next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)
      if (timer.atMs <= untilMs && isEarlier) next = timer
    }
    return next
  }

  /** A turn of the event loop runs all that is resolved; a few cover chains that wait for a turn themselves. */
  async function settle(): Promise<void> {
    for (let turn = 0; turn < SETTLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    nowMs: () => nowMs,
    setTimer(delayMs, run) {
      const timer = { atMs: nowMs + Math.max(delayMs, 0), order: order++, run }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
    async advance(byMs) {
      const untilMs = nowMs + byMs
      await settle()
      for (let timer = nextUntil(untilMs); timer !== undefined; timer = nextUntil(untilMs)) {
        timers.delete(timer)
        nowMs = Math.max(nowMs, timer.atMs)
        timer.run()
        await settle()
      }
      nowMs = untilMs
    },
    settle,
    get pending() {
      return timers.size
    },
  }
}

const SETTLE_TURNS = 3
