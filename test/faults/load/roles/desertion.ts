/** Claims that are never ended: their leases run out. */
import { mintClaimId, mintInstanceId, parseKind, parseLaneId, parseWorkerId } from '@flowfabric/core'
import { namespace } from '../names.js'
import { noteClaim } from '../node.js'
import type { RoleFactory } from '../role.js'
import { lane, leftKind } from '../tasks.js'

export const desertion: RoleFactory = ({ ledger }) => {
  const instanceId = mintInstanceId()
  return {
    name: 'desertion',
    weight: 6,
    async act({ backend }) {
      const answer = await backend.leases.claim({
        namespaces: [namespace],
        claimId: mintClaimId(),
        workerId: parseWorkerId('deserter'),
        instanceId,
        lanes: [parseLaneId(lane)],
        kinds: [parseKind(leftKind)],
        capabilities: [],
        max: 2,
        leaseTtlMs: 1_000,
        waitMs: 50,
      })
      if (answer.outcome === 'claimed') for (const each of answer.leases) noteClaim(ledger, each)
    },
    judge: async () => {},
  }
}
