import type { HintHub, PartitionConfig } from '@flowfabric/core'
import type { PartitionChannel } from './channel/partition-channel.js'
import type { Connection } from './connection/open.js'
import type { ReadyMap } from './hints/ready-map.js'
import type { KnownLanes } from './lanes/known-lanes.js'
import type { ClaimMemory } from './leases/claim-memory.js'
import type { Invoke } from './library/invoke.js'
import type { ValkeySettings } from './options.js'
import type { Catalogue } from './routes/catalogue.js'

/** What every operation of this package is given: made once by the composition. */
export interface ValkeyContext {
  readonly settings: ValkeySettings
  /** Opens at the first call. */
  connection(): Promise<Connection>
  /** Calls a function; what it brought about in a flow partition is told to this process. */
  readonly invoke: Invoke
  readonly catalogue: Catalogue
  /** What claims have learnt of lanes' settings. */
  readonly lanes: KnownLanes
  /** What claims of this process have got, and where. */
  readonly claims: ClaimMemory
  readonly hints: HintHub
  /** Namespaces of quotas that were found, by id. */
  readonly quotaOwners: Map<string, string>
  /** The deployment's counts, read once. Throws `migrations_pending` on a store that was never prepared. */
  partitions(): Promise<PartitionConfig>
  /** Ends, submissions and claims of a flow partition, by its index. */
  channel(partition: number): PartitionChannel
  /** What is known of claimable work; other processes' messages are heard from then on. */
  readyMap(): Promise<ReadyMap>
  /** A call that was just sent is likely to make an execution of the route ready: claims that wait are sent behind it. */
  expectReady(partition: number, rid: string): void
  /**
   * Whether everything that others published before is known here now. False: it cannot be said, since messages may have been
   * missed; then nothing may be taken for empty.
   */
  barrier(): Promise<boolean>
  /** Ends with `close`; background work of the package stops with it. */
  readonly closing: AbortSignal
}
