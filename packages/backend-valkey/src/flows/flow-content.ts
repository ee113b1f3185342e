import { createHash } from 'node:crypto'
import { type FlowGraph, hashGraph } from '@flowfabric/core'

/** What makes two submissions of a flow the same. */
export interface FlowContent {
  /** Ids replaced by positions: a second process mints others. */
  readonly shape: string
  /** The ids themselves. */
  readonly ids: string
}

/** 128 bits tell contents apart as well as all of a hash does. */
const HASH_BYTES = 16

export function contentOf(graph: FlowGraph): FlowContent {
  const ids = createHash('sha256')
  for (const { id } of graph.nodes) ids.update(id)
  return { shape: shorten(Buffer.from(hashGraph(graph), 'hex')), ids: shorten(ids.digest()) }
}

/** What names a growth that comes in parts: the same content, joined to the flow at the same places. */
export function growthHashOf(
  { shape, ids }: FlowContent,
  known: Iterable<readonly [string, number]>,
): string {
  const hash = createHash('sha256').update(shape).update(ids)
  for (const [id, count] of known) hash.update(`${id}${count}`)
  return shorten(hash.digest())
}

function shorten(hash: Buffer): string {
  return hash.subarray(0, HASH_BYTES).toString('base64url')
}
