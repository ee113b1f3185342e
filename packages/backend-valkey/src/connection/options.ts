import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { engineError } from '@flowfabric/core'
import { type Address, parseAddress } from './address.js'
import { readUrl } from './url.js'

/** Answers that wait until what they tell cannot be lost with one server. */
export interface DurabilityOptions {
  /**
   * Which transitions wait: accepted work (`submit`), ends (`terminal`), and whatever else is kept for whoever asked (`record`):
   * journals, frames, signals, waitpoints, schedules, bulk operations, what is spent, settings, tokens, keys, the audit log.
   */
  readonly for: readonly ('submit' | 'terminal' | 'record')[]
  /** `WAITAOF`: the append-only files of the primary (`local`) and of so many replicas must have been fsynced. */
  readonly aof?: { readonly local: 0 | 1; readonly replicas: number } | undefined
  /** `WAIT`: so many replicas must have received it. */
  readonly replicas?: number | undefined
  /** How long the servers may take for each of the two; then the call is `timed_out` and may have been carried out. */
  readonly timeoutMs: number
}

/** Where the store is and how long is waited for it. Exactly one of `url` and `nodes` is given. */
export interface ConnectionOptions {
  /** `valkey://`, `redis://` or, with TLS, `valkeys://`, `rediss://`: `valkey://user:password@host:6379/0`. */
  readonly url?: string | undefined
  /**
   * `host:port` each. With `cluster` any nodes of the Cluster, from which the others are learnt; otherwise a primary and
   * its replicas, of which the one that says that it is the primary is used.
   */
  readonly nodes?: readonly (string | Address)[] | undefined
  /** Whether the servers form a Cluster (default: no). */
  readonly cluster?: boolean | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** TLS, with node's own options where the defaults don't do. */
  readonly tls?: boolean | TlsOptions | undefined
  /** Number of the database (default 0); a Cluster has only 0. */
  readonly db?: number | undefined
  /** How long one connection may take to be opened and checked (default 5,000). */
  readonly connectTimeoutMs?: number | undefined
  /** After so long without an answer a call counts as lost (default 5,000). */
  readonly callTimeoutMs?: number | undefined
  /** How long a call is tried again, counted from its first failure (default 3,000). */
  readonly retryForMs?: number | undefined
  readonly durability?: DurabilityOptions | undefined
}

/** Options after defaults and checks. */
export interface ConnectionSettings {
  readonly seeds: readonly [Address, ...Address[]]
  readonly isCluster: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: TlsOptions | undefined
  readonly db: number
  readonly connectTimeoutMs: number
  readonly callTimeoutMs: number
  readonly retryForMs: number
  readonly durability: DurabilityOptions | undefined
}

const durableTransitions: ReadonlySet<string> = new Set(['submit', 'terminal', 'record'])
const DB_MAX = 1_000_000
/** What a timer of node can hold. */
const TIMEOUT_MAX_MS = 2_147_483_647

/** Fills in the defaults. Throws `invalid_configuration`, in whose message no password occurs. */
export function readConnectionSettings(options: ConnectionOptions): ConnectionSettings {
  if ((options.url === undefined) === (options.nodes === undefined))
    refuse('Give exactly one of url and nodes')
  const url = options.url === undefined ? undefined : readUrl(options.url)
  const isCluster = options.cluster ?? false
  const username = oneOf('username', url?.username, options.username)
  const password = oneOf('password', url?.password, options.password)
  if (username !== undefined && password === undefined) refuse('A username needs a password')
  const db = oneOf('db', url?.db, options.db) ?? 0
  requireWhole('db', db, 0, DB_MAX)
  if (isCluster && db !== 0) refuse('A Cluster has only the database 0')
  if (url?.hasTls && options.tls === false) refuse('The url asks for TLS, and the option tls turns it off')
  return {
    seeds: url === undefined ? readNodes(options.nodes ?? []) : [url.address],
    isCluster,
    username,
    password,
    tls: typeof options.tls === 'object' ? options.tls : url?.hasTls || options.tls ? {} : undefined,
    db,
    connectTimeoutMs: readTimeout('connectTimeoutMs', options.connectTimeoutMs ?? 5_000),
    callTimeoutMs: readTimeout('callTimeoutMs', options.callTimeoutMs ?? 5_000),
    retryForMs: readTimeout('retryForMs', options.retryForMs ?? 3_000),
    durability: readDurability(options.durability),
  }
}

function readNodes(nodes: readonly (string | Address)[]): readonly [Address, ...Address[]] {
  const [first, ...others] = nodes.map((node) => {
    const address = typeof node === 'string' ? parseAddress(node) : parseAddress(`${node.host}:${node.port}`)
    if (address === undefined || address.host === '') {
      return refuse(`Not host:port: ${typeof node === 'string' ? node : JSON.stringify(node)}`)
    }
    return address
  })
  return first === undefined ? refuse('The list of nodes is empty') : [first, ...others]
}

function readDurability(durability: DurabilityOptions | undefined): DurabilityOptions | undefined {
  if (durability === undefined) return undefined
  const { for: transitions, aof, replicas, timeoutMs } = durability
  if (transitions.length === 0 || transitions.some((each) => !durableTransitions.has(each))) {
    refuse("durability.for names what waits: 'submit', 'terminal' and 'record', or some of them")
  }
  if (aof === undefined && replicas === undefined) refuse('durability needs aof, replicas or both')
  if (aof !== undefined) {
    requireWhole('durability.aof.local', aof.local, 0, 1)
    requireWhole('durability.aof.replicas', aof.replicas, 0, 1_000)
    if (aof.local + aof.replicas === 0) refuse('durability.aof asks for no server at all')
  }
  if (replicas !== undefined) requireWhole('durability.replicas', replicas, 1, 1_000)
  readTimeout('durability.timeoutMs', timeoutMs)
  return durability
}

function oneOf<T>(name: string, inUrl: T | undefined, given: T | undefined): T | undefined {
  if (inUrl !== undefined && given !== undefined)
    refuse(`Give ${name} in the url or as an option, not in both`)
  return inUrl ?? given
}

function readTimeout(name: string, value: number): number {
  return requireWhole(name, value, 1, TIMEOUT_MAX_MS)
}

function requireWhole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  return refuse(`${name} is ${value}, not a whole number of ${min}…${max}`)
}

function refuse(message: string): never {
  throw engineError('invalid_configuration', message)
}
