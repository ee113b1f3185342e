import type { PGlite } from '@electric-sql/pglite'
import { engineError, limits, type PartitionConfig } from '@flowfabric/core'
import type pg from 'pg'

/** Where the store is: exactly one of the first three. */
export interface PostgresBackendOptions {
  /** A pool of the caller's, which `close` leaves open. Its session settings are never changed. */
  readonly pool?: pg.Pool | undefined
  readonly connectionString?: string | undefined
  /** An open PGlite; nothing else may use it while this backend does. `close` leaves it open. */
  readonly pglite?: PGlite | undefined
  /** Name of the schema that holds everything (default `flowfabric`). */
  readonly schema?: string | undefined
  /** Counts at the first boot; later they must agree when given. */
  readonly partitions?: Partial<PartitionConfig> | undefined
  /**
   * How many edges of one end the statement that records it resolves itself (default `hopMaxEdges`); what is left goes
   * on through the outbox. 0: every end leaves an entry there, also a solo one's, and nothing is resolved by the way.
   */
  readonly inlineResolveEdges?: number | undefined
  /** Edges that one step resolves for one completion (default 64). */
  readonly hopMaxEdges?: number | undefined
  /** Edges that one transaction resolves for all its completions (default 512). */
  readonly callMaxEdges?: number | undefined
  /**
   * Whether the process that committed a completion dispatches at once what the end itself left (default: unless
   * `inlineResolveEdges` is 0).
   */
  readonly dispatchInProcess?: boolean | undefined
  /** Behind a transaction pooler: no named prepared statements, and hints are only sent. */
  readonly pooler?: boolean | undefined
  /** Keep one connection that listens to other processes' hints (default: with a server, unless a pooler stands between). */
  readonly listen?: boolean | undefined
  /** Where that connection goes (default `connectionString`): past the pooler, or beside a pool of the caller's. */
  readonly listenConnectionString?: string | undefined
  /** Connections of the own pool (default 10). */
  readonly connectionsMax?: number | undefined
  /** Shown by the server's activity view (default `flowfabric`). */
  readonly applicationName?: string | undefined
}

/** Settings after defaults and checks. */
export interface PostgresSettings {
  readonly schema: string
  readonly partitions: Partial<PartitionConfig> | undefined
  readonly inlineResolveEdges: number | undefined
  readonly hopMaxEdges: number
  readonly callMaxEdges: number
  readonly dispatchInProcess: boolean
  readonly pooler: boolean
  readonly listen: boolean
  /** Whether other processes are told. */
  readonly tells: boolean
  readonly connectionsMax: number
  readonly applicationName: string
}

const schemaPattern = /^[a-z_][a-z0-9_]{0,39}$/

/** Fills in the defaults. Throws `invalid_configuration`. */
export function readSettings(options: PostgresBackendOptions): PostgresSettings {
  const given = [options.pool, options.connectionString, options.pglite].filter((each) => each !== undefined)
  if (given.length !== 1) {
    throw engineError('invalid_configuration', 'Give exactly one of pool, connectionString and pglite')
  }
  const schema = options.schema ?? 'flowfabric'
  if (!schemaPattern.test(schema) || schema.startsWith('pg_')) {
    throw engineError(
      'invalid_configuration',
      `Not a usable name of a schema (${schemaPattern.source}): ${schema}`,
    )
  }
  const isPglite = options.pglite !== undefined
  const { pooler = false, listenConnectionString } = options
  if (pooler && options.listen === true && listenConnectionString === undefined) {
    throw engineError(
      'invalid_configuration',
      'No transaction pooler lets a connection listen: give listenConnectionString, which goes past it',
    )
  }
  const listen = !isPglite && (options.listen ?? (!pooler || listenConnectionString !== undefined))
  return {
    schema,
    partitions: options.partitions,
    inlineResolveEdges: options.inlineResolveEdges,
    hopMaxEdges: requireCount('hopMaxEdges', options.hopMaxEdges ?? limits.hopMaxEdges),
    callMaxEdges: requireCount('callMaxEdges', options.callMaxEdges ?? limits.callMaxEdges),
    dispatchInProcess: options.dispatchInProcess ?? options.inlineResolveEdges !== 0,
    pooler,
    listen,
    tells: listen || (pooler && !isPglite),
    connectionsMax: requireCount('connectionsMax', options.connectionsMax ?? 10),
    applicationName: options.applicationName ?? 'flowfabric',
  }
}

function requireCount(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value
  throw engineError('invalid_configuration', `${name} is ${value}, not a whole number above 0`)
}
