import type { Address } from './address.js'
import { type Reply, textOf } from './command.js'
import { SLOT_COUNT } from './slots.js'

/** Who serves which slot, as one node of a Cluster sees it. */
export interface ClusterView {
  readonly primaries: readonly Address[]
  /** For each slot the position of its primary in `primaries`, or -1. */
  readonly owners: Int16Array
}

/** The host of the node that was asked: some servers leave their own out. */
type AskedHost = string

/** Reads the reply of `CLUSTER SHARDS`. A primary without slots is listed: it is there to be given some. */
export function readShards(reply: Reply, askedHost: AskedHost, hasTls: boolean): ClusterView | undefined {
  const builder = createBuilder()
  for (const shard of listOf(reply)) {
    const fields = fieldsOf(shard)
    const slots = listOf(fields.get('slots'))
    const masters = listOf(fields.get('nodes'))
      .map(fieldsOf)
      .filter((node) => textOf(node.get('role')) === 'master')
    // During a fail-over the dead primary is still listed beside the one that took its place.
    const primary = masters.find((node) => !textOf(node.get('health'))?.startsWith('fail')) ?? masters[0]
    if (primary === undefined) continue
    const address = addressOf(primary, askedHost, hasTls)
    if (address === undefined) continue
    const owner = builder.add(address)
    for (let at = 0; at + 1 < slots.length; at += 2) builder.assign(owner, slots[at], slots[at + 1])
  }
  return builder.build()
}

/** Reads the reply of `CLUSTER SLOTS`, which servers before 7.0 and some that only speak the protocol have instead. */
export function readSlots(reply: Reply, askedHost: AskedHost): ClusterView | undefined {
  const builder = createBuilder()
  for (const range of listOf(reply)) {
    const [from, to, primary] = listOf(range)
    const [host, port] = listOf(primary)
    const address = toAddress(textOf(host), port, askedHost)
    if (address !== undefined) builder.assign(builder.add(address), from, to)
  }
  return builder.build()
}

function createBuilder() {
  const positions = new Map<string, number>()
  const primaries: Address[] = []
  const owners = new Int16Array(SLOT_COUNT).fill(-1)
  let assigned = 0

  return {
    add(address: Address): number {
      const key = `${address.host}:${address.port}`
      const known = positions.get(key)
      if (known !== undefined) return known
      positions.set(key, primaries.length)
      return primaries.push(address) - 1
    },
    assign(owner: number, from: Reply | undefined, to: Reply | undefined): void {
      if (typeof from !== 'number' || typeof to !== 'number' || from < 0 || to >= SLOT_COUNT) return
      for (let slot = from; slot <= to; slot += 1) owners[slot] = owner
      assigned += to - from + 1
    },
    /** A node that knows of no slot at all has not met its Cluster yet. */
    build: (): ClusterView | undefined => (assigned === 0 ? undefined : { primaries, owners }),
  }
}

function addressOf(
  node: ReadonlyMap<string, Reply>,
  askedHost: AskedHost,
  hasTls: boolean,
): Address | undefined {
  const port = hasTls ? node.get('tls-port') : node.get('port')
  return toAddress(textOf(node.get('endpoint')), port ?? node.get('port'), askedHost)
}

/** `?` stands for a node whose host is configured as unknown; an absent or empty host means: where you asked. */
function toAddress(
  host: string | undefined,
  port: Reply | undefined,
  askedHost: AskedHost,
): Address | undefined {
  if (typeof port !== 'number' || port === 0) return undefined
  return { host: host === undefined || host === '' || host === '?' ? askedHost : host, port }
}

function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : []
}

function fieldsOf(reply: Reply): ReadonlyMap<string, Reply> {
  const list = listOf(reply)
  const fields = new Map<string, Reply>()
  for (let at = 0; at + 1 < list.length; at += 2) {
    const value = list[at + 1]
    if (value !== undefined) fields.set(textOf(list[at]) ?? '', value)
  }
  return fields
}
