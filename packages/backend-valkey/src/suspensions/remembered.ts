import { type ConditionState, type ResumeCondition, type WaitpointId, waitpointsOf } from '@flowfabric/core'

/** A suspension as this process knows it: it may have changed since, or be gone. */
export interface RememberedSuspension {
  readonly condition: ResumeCondition
  readonly state: ConditionState
  /** What tells whether it still stands as it is known here: see `suspensions/deliver-signal`. */
  readonly stamp: Stamp
  /** The route in which its execution is ready as soon as it is resumed; `undefined`: later, or not known. */
  readonly resumes?: string | undefined
}

export interface Stamp {
  readonly revision: number
  readonly sinceMs: number
  /** Signals that its execution had by then. */
  readonly signals: number
}

/** Suspensions that this process began, by their waitpoints: a signal is judged by them before the store is asked. */
export interface RememberedSuspensions {
  remember(suspension: RememberedSuspension): void
  /** Known once: whatever comes of it, it is another one behind it. */
  take(waitpointId: WaitpointId): RememberedSuspension | undefined
}

/** Those that were remembered first are forgotten first. */
const WAITPOINTS_MAX = 10_000
/** Of one condition. Larger ones are judged as the store shows them. */
const NAMED_MAX = 8

export function rememberSuspensions(): RememberedSuspensions {
  const byWaitpoint = new Map<WaitpointId, RememberedSuspension>()
  return {
    remember(suspension) {
      const named = waitpointsOf(suspension.condition)
      if (named.length > NAMED_MAX) return
      for (const id of named) {
        byWaitpoint.delete(id)
        byWaitpoint.set(id, suspension)
      }
      for (const id of byWaitpoint.keys()) {
        if (byWaitpoint.size <= WAITPOINTS_MAX) break
        byWaitpoint.delete(id)
      }
    },
    take(waitpointId) {
      const known = byWaitpoint.get(waitpointId)
      byWaitpoint.delete(waitpointId)
      return known
    },
  }
}
