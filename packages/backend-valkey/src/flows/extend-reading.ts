import {
  type ExecutionId,
  type ExtendFlow,
  type FencingRefusal,
  type FlowState,
  type LeaseHandle,
  must,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { readRefusal } from '../leases/refusal.js'
import { asList } from '../library/as-list.js'
import { readFlowState } from './flow-letters.js'
import { type FlowPlace, orFlowNotFound } from './flow-place.js'
import type { Link } from './pack-graph.js'

type Reply = LibraryFunctions['flows_extend_read']['reply']

/** What is stored under the id of a new node. */
export type KnownNode =
  | 'new'
  | {
      /** A member of this flow, in this namespace. */
      readonly isOurs: boolean
      readonly name: string
      readonly kind: string
      readonly hash: string
      readonly input: Uint8Array | null
    }

/** What an extend needs to know of the flow, as of one revision. */
export interface ExtendReading {
  /** Why its worker may not write, or nothing. */
  readonly refusal: FencingRefusal | undefined
  readonly state: FlowState
  readonly revision: number
  /** In the order of the call's nodes. */
  readonly nodes: readonly KnownNode[]
  /** Ends of edges that are members, beside the call's nodes. */
  readonly members: ReadonlySet<ExecutionId>
  /** Upstreams of the nodes that edges lead to and that are there, with the names under which they hand down. */
  readonly upstreams: ReadonlyMap<ExecutionId, readonly Link<string>[]>
}

/** Ids that one call asks for; nodes that are there are described with their inputs, whose size bounds a call too. */
const NODES_MAX = 250
const ENDS_MAX = 500
const TARGETS_MAX = 100

/** Nothing when the flow grew between two calls of it. Throws `flow_not_found`. */
export async function readForExtend(
  ctx: ValkeyContext,
  { tag }: FlowPlace,
  params: ExtendFlow,
  handle: LeaseHandle | undefined,
): Promise<ExtendReading | undefined> {
  const { namespace, flowId, nodes, edges } = params
  const fresh = new Set(nodes.map(({ id }) => id))
  const isHere = (id: ExecutionId) => id.startsWith(`{${tag}}`)
  const ends = unique(edges.flatMap(({ from, to }) => [from, to])).filter(
    (id) => !fresh.has(id) && isHere(id),
  )
  const targets = unique(edges.map(({ to }) => to)).filter(isHere)
  const known: KnownNode[] = []
  const isMember: boolean[] = []
  const links: (readonly Link<string>[])[] = []
  let first: Reply | undefined
  do {
    const { reply, bytes } = await orFlowNotFound(
      flowId,
      ctx.invoke({
        name: 'flows_extend_read',
        tag,
        args: [
          namespace,
          flowId,
          handle === undefined ? [] : [packHandle(handle)],
          nodes.slice(known.length, known.length + NODES_MAX).map(({ id }) => uuidOf(id)),
          ends.slice(isMember.length, isMember.length + ENDS_MAX).map(uuidOf),
          targets.slice(links.length, links.length + TARGETS_MAX).map(uuidOf),
        ],
      }),
    )
    first ??= reply
    if (first[2] !== reply[2]) return undefined
    known.push(...asList(reply[3]).map((row) => toKnownNode(row, bytes)))
    isMember.push(...asList(reply[4]))
    links.push(...asList(reply[5]).map((list) => asList(list as readonly Link<string>[])))
  } while (known.length < nodes.length || isMember.length < ends.length || links.length < targets.length)
  const [refusal, state, revision] = must(first, 'an answer')
  return {
    refusal: asList(refusal).length === 0 ? undefined : readRefusal(refusal),
    state: readFlowState(state),
    revision,
    nodes: known,
    members: new Set(ends.filter((_, place) => isMember[place] === true)),
    upstreams: new Map(targets.map((id, place) => [id, links[place] ?? []])),
  }
}

export function packHandle(handle: LeaseHandle): [string, number, string, number] {
  return [uuidOf(handle.executionId), handle.attemptIndex, handle.leaseId, handle.epoch]
}

/** As `flows/extend-read.lua` answers it; one that is still coming in parts is told to nobody. */
function toKnownNode(row: unknown, bytes: readonly Uint8Array[]): KnownNode {
  if (!Array.isArray(row) || row.length < 5) return 'new'
  const [isOurs, name, kind, hash, input] = row
  return {
    isOurs: isOurs === true,
    name: String(name),
    kind: String(kind),
    hash: String(hash),
    input: bytes[Number(input) - 1] ?? null,
  }
}

function unique<Item>(items: readonly Item[]): readonly Item[] {
  return [...new Set(items)]
}
