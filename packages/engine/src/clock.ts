/** This process's time: for pauses and measurements only. Whatever is decided or recorded uses the store's time. */
export interface Clock {
  /** Monotonic, in ms, from any start. */
  nowMs(): number
  /** Runs `run` once, after at least `delayMs`. */
  setTimer(delayMs: number, run: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** The clock of the process. Its timers keep the process alive: an engine runs until it is stopped. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), TIMER_MS_MAX))
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Node runs a timer with a longer delay at once. */
const TIMER_MS_MAX = 2_147_483_647
