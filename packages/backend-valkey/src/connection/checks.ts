import { engineError } from '@flowfabric/core'

/** What a server says of itself in `INFO`. */
export interface ServerFacts {
  readonly product: 'valkey' | 'redis'
  /** Of the product: a Valkey's own, not the version of Redis that it is compatible with. */
  readonly version: string
  /** Differs after every start, and so tells a restarted server from one that was only slow. */
  readonly runId: string
  readonly role: 'primary' | 'replica'
  /** Replicas that are connected to it. */
  readonly followers: number
  readonly isCluster: boolean
  readonly isLoading: boolean
  readonly hasAof: boolean
  /** Absent where the server keeps it to itself. */
  readonly evictionPolicy: string | undefined
}

/** What the configuration expects of every server. */
export interface ServerDemands {
  readonly isCluster: boolean
  /** Whether the server itself must have an append-only file, for `WAITAOF`. */
  readonly needsAof: boolean
}

/** The sections that `readFacts` reads, as arguments of `INFO`. Several at once: since 7.0. */
export const INFO_SECTIONS = ['server', 'memory', 'replication', 'persistence'] as const

/** Reads the text of `INFO`. Anything that speaks the protocol and is not a Valkey counts as a Redis. */
export function readFacts(info: string): ServerFacts {
  const fields = new Map<string, string>()
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  const valkeyVersion = fields.get('valkey_version')
  const mode = fields.get('server_mode') ?? fields.get('redis_mode')
  return {
    product: valkeyVersion === undefined ? 'redis' : 'valkey',
    version: valkeyVersion ?? fields.get('redis_version') ?? 'unknown',
    runId: fields.get('run_id') ?? '',
    role: fields.get('role') === 'slave' ? 'replica' : 'primary',
    followers: Number(fields.get('connected_slaves') ?? 0),
    isCluster: mode === 'cluster',
    isLoading: fields.get('loading') === '1',
    hasAof: fields.get('aof_enabled') === '1',
    evictionPolicy: fields.get('maxmemory_policy'),
  }
}

/**
 * Refuses a server that cannot hold the store: `store_unsupported` for its version and for a policy by which it may throw
 * keys away, `invalid_configuration` where it is not what was configured. Whether it is a primary is no matter of this: that
 * changes while everything runs.
 */
export function checkServer(node: string, facts: ServerFacts, demands: ServerDemands): void {
  const { product, version, evictionPolicy } = facts
  const [major, minor] = product === 'valkey' ? [7, 2] : [7, 0]
  if (!isAtLeast(version, major, minor)) {
    throw engineError(
      'store_unsupported',
      `${node} is ${product} ${version}; needed is Valkey 7.2 or newer`,
      { node, product, version },
    )
  }
  if (evictionPolicy !== 'noeviction') {
    throw engineError(
      'store_unsupported',
      `${node} has the setting maxmemory-policy ${evictionPolicy ?? '(unknown)'}; anything but noeviction loses work`,
      { node, evictionPolicy: evictionPolicy ?? null },
    )
  }
  if (facts.isCluster !== demands.isCluster) {
    throw engineError(
      'invalid_configuration',
      facts.isCluster
        ? `${node} is a node of a Cluster, and the option cluster is off`
        : `${node} is no node of a Cluster, and the option cluster is on`,
      { node },
    )
  }
  if (demands.needsAof && !facts.hasAof) {
    throw engineError(
      'invalid_configuration',
      `${node} has no append-only file, and durability.aof.local asks for one`,
      { node },
    )
  }
}

/** What is worth telling people about a server that passed, or `undefined`. */
export function noteOf({ product, version }: ServerFacts): string | undefined {
  if (product === 'valkey') return undefined
  return `Redis ${version} is not supported. It may work; nothing here is tested on it.`
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(version)
  if (match === null) return false
  const [foundMajor, foundMinor] = [Number(match[1]), Number(match[2])]
  return foundMajor > major || (foundMajor === major && foundMinor >= minor)
}
