import type { EndedBy, FencingRefusal, RecordedOutcome } from '@flowfabric/core'

/** The columns by which the functions of leases say that a write was not accepted. */
export interface RefusalRow {
  readonly refusal:
    | 'repeated'
    | 'stale_lease'
    | 'lease_expired'
    | 'lease_revoked'
    | 'attempt_timed_out'
    | 'execution_not_active'
    | null
  readonly ended_by: EndedBy | null
  readonly terminal_outcome: RecordedOutcome | 'none' | null
  /** What the holder's first call was answered, when this is its repeat. */
  readonly answer: { readonly outcome: string } | null
}

/** The refusal, or what the same call answered before; `undefined` for a write that was accepted. */
export function toRefusal(row: RefusalRow): FencingRefusal | { readonly outcome: string } | undefined {
  switch (row.refusal) {
    case null:
      return undefined
    case 'repeated':
      return row.answer ?? { outcome: 'stale_lease' }
    case 'execution_not_active':
      return {
        outcome: 'execution_not_active',
        recorded: { endedBy: row.ended_by, terminalOutcome: row.terminal_outcome ?? 'none' },
      }
    default:
      return { outcome: row.refusal }
  }
}
