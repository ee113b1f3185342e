import type { PGlite } from '@electric-sql/pglite'
import { engineError } from '@flowfabric/core'
import pg from 'pg'
import type { PostgresBackendOptions, PostgresSettings } from '../options.js'
import { createDatabase, type Database } from './database.js'

const BYTEA = 17
const BYTEA_ARRAY = 1001
const INT8 = 20
const INT8_ARRAY = 1016
const DATE = 1082

/** Opens the one door to the store. Nothing is sent before the first statement. */
export function openDatabase(options: PostgresBackendOptions, settings: PostgresSettings): Database {
  const { schema, pooler } = settings
  if (options.pool !== undefined) {
    return createDatabase({
      schema,
      pooler,
      pool: Promise.resolve(withParsers(options.pool)),
      isOwner: false,
      isOneSession: false,
    })
  }
  const pool =
    options.pglite === undefined
      ? openServerPool(options.connectionString ?? '', settings)
      : openPglitePool(options.pglite)
  return createDatabase({
    schema,
    pooler,
    pool,
    isOwner: true,
    isOneSession: options.pglite !== undefined,
  })
}

async function openServerPool(connectionString: string, settings: PostgresSettings): Promise<pg.Pool> {
  const pool = new pg.Pool({
    connectionString,
    max: settings.connectionsMax,
    application_name: settings.applicationName,
    connectionTimeoutMillis: 10_000,
    types: parsers,
  })
  // Without a listener, an idle connection that the server cuts would end the process.
  pool.on('error', () => {})
  // Nor may one do so that is cut in the instant in which it was opened.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/**
 * PGlite through `pg`: one dialect, one set of parsers. A pool of one: PGlite is a single session, and whatever went
 * beside the pool would run inside its open transaction.
 */
async function openPglitePool(pglite: PGlite): Promise<pg.Pool> {
  const { createPgConfig } = await import('@electric-sql/pglite/node-postgres')
  const config = Object.assign(createPgConfig(pglite), {
    types: parsers,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 0,
  })
  return new pg.Pool(config as unknown as pg.PoolConfig)
}

/** Our parsers, per query, on a pool whose types are the caller's. */
function withParsers(pool: pg.Pool): pg.Pool {
  return new Proxy(pool, {
    get(target, property) {
      if (property === 'query') {
        return (config: pg.QueryConfig) => target.query({ ...config, types: parsers })
      }
      if (property === 'connect') return async () => withClientParsers(await target.connect())
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

function withClientParsers(client: pg.PoolClient): pg.PoolClient {
  return new Proxy(client, {
    get(target, property) {
      if (property === 'query') {
        return (config: pg.QueryConfig | string) =>
          target.query(
            typeof config === 'string' ? { text: config, types: parsers } : { ...config, types: parsers },
          )
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

/** Times, counts and sequence numbers are int8 and fit a Number; what does not fit is never rounded. */
export function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value))
    throw engineError('corruption', `Not a safe integer: ${text}`, { subject: 'int8', raw: text })
  return value
}

/** The contract's bytes are plain, whatever the driver makes of them. */
function toBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

const keepText = (text: string): string => text

type Parser = (text: string) => unknown

const parsers: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: string): Parser {
    if (oid === INT8) return parseInt8
    if (oid === DATE) return keepText
    const builtIn = pg.types.getTypeParser(oid, format as 'text') as Parser
    switch (oid) {
      case BYTEA:
        return (text) => toBytes(builtIn(text) as Buffer)
      case BYTEA_ARRAY:
        return (text) =>
          (builtIn(text) as (Buffer | null)[]).map((each) => (each === null ? null : toBytes(each)))
      case INT8_ARRAY:
        return (text) =>
          (builtIn(text) as (string | null)[]).map((each) => (each === null ? null : parseInt8(each)))
      default:
        return builtIn
    }
  },
}
