import { mintClaimId, mintInstanceId, parseWorkerId } from '@flowfabric/core'
import type { Clock, Engine } from '@flowfabric/engine'
import { kind, lane, namespace } from './stage.js'

/** A worker with nothing to do, as the contract describes it: one long poll after the other, and a heartbeat every 10 s. */
export function runIdleWorker(clock: Clock, engine: Engine, isOver: () => boolean): void {
  const instanceId = mintInstanceId()
  const { workers, leases } = engine.backend
  const identity = { workerId: parseWorkerId('w'), instanceId, namespaces: [namespace] }
  const served = { lanes: [lane], kinds: [kind], capabilities: [] }
  void workers.register({ ...identity, ...served, concurrency: 1 })
  beat()
  void claimAgain().catch((error: unknown) => {
    // The engine refuses claims once it stops; anything else must show.
    if (!isOver()) throw error
  })

  function beat(): void {
    if (isOver()) return
    void workers.heartbeat({ namespaces: [namespace], instanceId, active: 0 })
    clock.setTimer(10_000, beat)
  }

  async function claimAgain(): Promise<void> {
    const wait = { max: 1, leaseTtlMs: 30_000, waitMs: 30_000 }
    while (!isOver()) await leases.claim({ ...identity, ...served, ...wait, claimId: mintClaimId() })
  }
}
