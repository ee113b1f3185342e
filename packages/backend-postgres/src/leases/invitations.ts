import { setImmediate as turn } from 'node:timers/promises'
import type { ClaimedExecution, ClaimRequest, HintHub } from '@flowfabric/core'
import type { LaneEntry } from '../db/catalog.js'
import type { ServedRoutes } from './served-routes.js'

/** A claim that goes along with a statement. One of the two has to be called. */
export interface Invited {
  readonly request: ClaimRequest
  /** What it was handed there. */
  settle(claimed: readonly ClaimedExecution[]): void
  /** The statement failed: the claim goes its own way. */
  release(): void
}

/**
 * Brings claims that wait for work, and the statement that is about to make it, into one transaction. Whoever waits is told
 * before there is anything; a claim that comes in the same turn of the event loop goes along.
 */
export interface Invitations {
  send(lane: LaneEntry): Promise<Invited | undefined>
  /** For a claim on its way; `undefined` when nobody invites it. Its answer is `undefined` when it has to go by itself. */
  accept(
    request: ClaimRequest,
    served: ServedRoutes,
  ): Promise<readonly ClaimedExecution[] | undefined> | undefined
}

export function createInvitations(hints: Pick<HintHub, 'receive'>): Invitations {
  /** Those that nobody has accepted yet. */
  const open = new Set<{ readonly lane: LaneEntry; take(guest: Invited): void }>()
  return {
    async send(lane) {
      let invited: Invited | undefined
      const invitation = {
        lane,
        take(guest: Invited) {
          invited = guest
          open.delete(invitation)
        },
      }
      open.add(invitation)
      hints.receive({ type: 'ready', namespace: lane.namespace, lane: lane.name, count: 1 })
      await turn()
      open.delete(invitation)
      return invited
    },
    accept(request, { lanes, hasLines }) {
      // One that locks quotas and budgets takes its locks in their order, which another statement's would break.
      if (open.size === 0 || hasLines) return undefined
      for (const { lane, take } of open) {
        if (!lanes.some(({ id }) => id === lane.id)) continue
        return new Promise((settle) => take({ request, settle, release: () => settle(undefined) }))
      }
      return undefined
    },
  }
}
