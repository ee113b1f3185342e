import type { FencingRefusal } from '@flowfabric/core'

/**
 * Why a run should stop: somebody cancelled it; the lease is somebody else's, or nobody's, now; its time is over; or
 * this process is about to end, and another worker will take it over.
 */
export type AbortKind = 'cancelled' | 'lease_lost' | 'timed_out' | 'shutting_down'

/** The `reason` of a handler's `ctx.signal`. */
export class AbortReason extends Error {
  override readonly name = 'AbortReason'
  readonly kind: AbortKind

  constructor(kind: AbortKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** What a refusal of the store means to the handler that still runs. */
export function readRefusal(refusal: FencingRefusal): AbortReason {
  switch (refusal.outcome) {
    case 'attempt_timed_out':
      return new AbortReason('timed_out', 'The attempt was ended by its timeout')
    case 'execution_not_active': {
      const { endedBy } = refusal.recorded
      if (endedBy === 'cancel') return new AbortReason('cancelled', 'The execution was cancelled')
      if (endedBy === 'deadline') return new AbortReason('timed_out', 'The execution is past its deadline')
      return new AbortReason(
        'lease_lost',
        `The attempt was ended by ${endedBy?.replaceAll('_', ' ') ?? 'somebody else'}`,
      )
    }
    case 'lease_revoked':
      return new AbortReason('lease_lost', 'The lease was revoked')
    case 'lease_expired':
    case 'stale_lease':
      return new AbortReason('lease_lost', 'The lease ran out')
  }
}
