import { engineError, limits, type PartitionConfig } from '@flowfabric/core'
import type { ConnectionOptions } from './connection/options.js'

/** Where the store is, and how it is used. */
export interface ValkeyBackendOptions extends ConnectionOptions {
  /**
   * What all keys and channels begin with (default `ff`): 1…16 of `a-z`, `0-9`, `_` and `-`. Deployments with prefixes of their own
   * share a server without knowing of each other.
   */
  readonly keyPrefix?: string | undefined
  /** Counts at the first boot; later they must agree when given. */
  readonly partitions?: Partial<PartitionConfig> | undefined
  /**
   * How many edges of one end the call that records it resolves itself (default `hopMaxEdges`); what is left goes on
   * through the outbox. 0: every end leaves an entry there, also a solo one's, and nothing is resolved by the way.
   */
  readonly inlineResolveEdges?: number | undefined
  /** Edges that one step resolves for one completion (default 64). */
  readonly hopMaxEdges?: number | undefined
  /** Edges that one call resolves for all its completions (default 512). */
  readonly callMaxEdges?: number | undefined
  /** Whether this process carries out entries of the outbox that its own calls leave (default: unless `inlineResolveEdges` is 0). */
  readonly dispatchInProcess?: boolean | undefined
}

/** Settings after defaults and checks. */
export interface ValkeySettings {
  readonly keyPrefix: string
  readonly partitions: Partial<PartitionConfig> | undefined
  readonly inlineResolveEdges: number
  readonly hopMaxEdges: number
  readonly callMaxEdges: number
  readonly dispatchInProcess: boolean
}

/** Fills in the defaults. Throws `invalid_configuration`. */
export function readSettings(options: ValkeyBackendOptions): ValkeySettings {
  const hopMaxEdges = requireCount('hopMaxEdges', options.hopMaxEdges ?? limits.hopMaxEdges, 1)
  const { keyPrefix = 'ff' } = options
  if (!/^[a-z0-9_-]{1,16}$/.test(keyPrefix)) {
    throw engineError(
      'invalid_configuration',
      `keyPrefix is ${JSON.stringify(keyPrefix)}, not 1 to 16 of a-z, 0-9, _ and -`,
    )
  }
  return {
    keyPrefix,
    partitions: options.partitions,
    inlineResolveEdges: Math.min(
      requireCount('inlineResolveEdges', options.inlineResolveEdges ?? hopMaxEdges, 0),
      hopMaxEdges,
    ),
    hopMaxEdges,
    callMaxEdges: requireCount('callMaxEdges', options.callMaxEdges ?? limits.callMaxEdges, 1),
    dispatchInProcess: options.dispatchInProcess ?? options.inlineResolveEdges !== 0,
  }
}

function requireCount(name: string, value: number, min: number): number {
  if (Number.isInteger(value) && value >= min) return value
  throw engineError('invalid_configuration', `${name} is ${value}, not a whole number of ${min} or more`)
}
