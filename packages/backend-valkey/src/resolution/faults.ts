import { setTimeout as sleep } from 'node:timers/promises'
import { type EngineError, engineError, isEngineError, limits } from '@flowfabric/core'

/** Whether it may be the fault of what was worked on alone: a store that isn't there is no entry's fault. */
export function isOneItems(fault: unknown): fault is EngineError {
  if (!isEngineError(fault)) return false
  return fault.code === 'internal_error' || (fault.kind !== 'unavailable' && fault.kind !== 'transport')
}

/** Tries again under contention, three times in all. Throws `retry_exhausted` then; nothing was done. */
export async function withTries<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (fault) {
      if (!isEngineError(fault, 'contention')) throw fault
      if (tries === limits.hopTriesMax) {
        throw engineError(
          'retry_exhausted',
          'Contention outlasted the tries of one call',
          { tries },
          { cause: fault },
        )
      }
      await sleep(limits.hopBackoffInitialMs * 2 ** (tries - 1))
    }
  }
}
