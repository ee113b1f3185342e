import { engineError, type FencingRefusal } from '@flowfabric/core'
import { endedByLetters, outcomeLetters } from '../records/letters.js'

/** Why a worker's write was not accepted, as `shared/fence.lua` answers it. */
export function readRefusal(reply: readonly unknown[]): FencingRefusal {
  const [outcome, by, terminal] = reply
  switch (outcome) {
    case 'stale_lease':
    case 'lease_expired':
    case 'lease_revoked':
    case 'attempt_timed_out':
      return { outcome }
    case 'execution_not_active':
      return {
        outcome,
        recorded: {
          endedBy: by === '' ? null : endedByLetters.read(by),
          terminalOutcome: outcomeLetters.read(terminal),
        },
      }
    default:
      throw engineError('corruption', `a write was answered ${String(outcome)}`, { subject: 'fence' })
  }
}
