import type { HintHub, PartitionConfig } from '@flowfabric/core'
import type { DemandCheck } from '../admission/demands.js'
import type { Waker } from '../admission/waking.js'
import type { PostgresSettings } from '../options.js'
import type { RememberedConditions } from '../suspensions/remembered-conditions.js'
import type { Catalog } from './catalog.js'
import type { Database } from './database.js'

/** What every operation of this package is given: made once by the composition. */
export interface PostgresContext {
  readonly db: Database
  readonly settings: PostgresSettings
  readonly hints: HintHub
  /** Lanes and routes by id and by name, kept in the process. */
  readonly catalog: Catalog
  /** Which quotas and budgets there are. */
  readonly demands: DemandCheck
  /** Wakes what waits for quotas and budgets. */
  readonly waker: Waker
  /** What the suspensions of this process wait for. */
  readonly conditions: RememberedConditions
  /** Whether the store is a PGlite in this process. */
  readonly isPglite: boolean
  /** The deployment's counts, read once. Throws `migrations_pending` on a store that was never prepared. */
  partitions(): Promise<PartitionConfig>
  /** Ends with `close`; background work of the package stops with it. */
  readonly closing: AbortSignal
}
