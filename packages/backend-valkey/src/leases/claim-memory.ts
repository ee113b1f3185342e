/** Which claim of which instance: what makes two calls the same claim. */
export interface ClaimKey {
  readonly instanceId: string
  readonly claimId: string
}

/**
 * Where the claims of worker instances may have got something, so that a repeat is answered what it got. Nothing has to be
 * asked for it as long as this process alone serves an instance: who begins to serve one says so in each partition, where
 * nobody else hands it anything from then on, and tells all others.
 */
export interface ClaimMemory {
  /** Tags of partitions in which the claim may have got something. `undefined`: it may be anywhere. */
  placesOf(claim: ClaimKey): readonly string[] | undefined
  /** This process begins to serve the instance: from now on it notes what that claims. */
  adopt(instanceId: string): void
  /** All partitions were asked what the instance holds. */
  settle(instanceId: string): void
  /** From now on the claim may get something there. */
  note(claim: ClaimKey, tag: string): void
  /** It got nothing there. */
  clear(claim: ClaimKey, tag: string): void
  /** Another process serves the instance. */
  lose(instanceId: string): void
  /** Other processes may have said something that was not heard. */
  loseAll(): void
}

const INSTANCES_MAX = 16_384
/** Claims of one instance; a worker repeats its last ones. */
const CLAIMS_MAX = 64

interface Served {
  isSettled: boolean
  /** Tags by claim. */
  readonly claims: Map<string, Set<string>>
}

export function createClaimMemory(): ClaimMemory {
  const instances = new Map<string, Served>()
  return {
    placesOf({ instanceId, claimId }) {
      const served = instances.get(instanceId)
      return served?.isSettled ? [...(served.claims.get(claimId) ?? [])] : undefined
    },
    adopt(instanceId) {
      if (instances.has(instanceId)) return
      forgetOldest(instances, INSTANCES_MAX)
      instances.set(instanceId, { isSettled: false, claims: new Map() })
    },
    settle(instanceId) {
      const served = instances.get(instanceId)
      if (served !== undefined) served.isSettled = true
    },
    note({ instanceId, claimId }, tag) {
      const claims = instances.get(instanceId)?.claims
      if (claims === undefined) return
      const places = claims.get(claimId)
      if (places !== undefined) {
        places.add(tag)
        return
      }
      forgetOldest(claims, CLAIMS_MAX)
      claims.set(claimId, new Set([tag]))
    },
    clear({ instanceId, claimId }, tag) {
      const claims = instances.get(instanceId)?.claims
      const places = claims?.get(claimId)
      places?.delete(tag)
      if (places?.size === 0) claims?.delete(claimId)
    },
    lose(instanceId) {
      instances.delete(instanceId)
    },
    loseAll() {
      instances.clear()
    },
  }
}

/** Makes room for one more. */
function forgetOldest(map: Map<string, unknown>, max: number): void {
  if (map.size < max) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
