import { engineError } from '@flowfabric/core'

/** The model's time: it stands still at `startMs` and moves by `advance` alone, or it is the machine's. */
export interface Clock {
  nowMs(): number
  isVirtual(): boolean
  /** From now on the clock stands still here. */
  freeze(atMs: number): void
  /** Throws `virtual_time_off` on a clock that runs. */
  advance(byMs: number): number
}

export function createClock(startMs: number | undefined): Clock {
  let frozenAtMs = startMs
  return {
    nowMs: () => frozenAtMs ?? Date.now(),
    isVirtual: () => frozenAtMs !== undefined,
    freeze: (atMs) => {
      frozenAtMs = atMs
    },
    advance: (byMs) => {
      if (frozenAtMs === undefined) throw engineError('virtual_time_off', 'the clock of this model runs')
      frozenAtMs += byMs
      return frozenAtMs
    },
  }
}
