import { setTimeout as pause } from 'node:timers/promises'
import { engineError, type FlowId } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { createCallParts } from './call-parts.js'
import { countEdges, type PackedNode, sizeOf } from './pack-graph.js'

/** Nodes of a new flow that come in one call. It holds up its partition for some ms; in parts they would cost twice as much. */
export const nodesOfFlowMax = 256
/** Nodes that come in one call otherwise, or become visible in one. */
export const nodesOfCallMax = 100
/** Edges of a call, counted at both ends; a single node may have more. */
const EDGES_MAX = 1_000
/** Payloads of a call; a single one may be larger. */
const BYTES_MAX = 1_048_576

/** Whether they come in one call, where it takes so many nodes. */
export function fitInOneCall(nodes: readonly PackedNode[], max: number): boolean {
  return nodes.length <= max && countEdges(nodes) <= EDGES_MAX && sizeOf(nodes) <= BYTES_MAX
}

/** A graph, or what a flow is to be extended by, that is too large for one call. */
export interface StagedGrowth {
  readonly tag: string
  readonly flowId: FlowId
  readonly head: LibraryFunctions['flows_stage']['args'][1]
  /** `f`: a new flow; `e`: more of one that is there. */
  readonly kind: 'f' | 'e'
  /** Names it, so that a repeat goes on where the first call was. */
  readonly hash: string
  readonly nodes: readonly PackedNode[]
  /** Store time after which a new flow is not begun any more; 0: none. */
  readonly notAfterMs: number
}

/** How long somebody else's parts are waited for. */
const WAITS_MS = 1_000
const PAUSE_MS = 50

/** Brings all parts that are not there yet. Answers what speaks against it, as `flows_stage` does. Throws `contention`. */
export async function stage(
  ctx: ValkeyContext,
  growth: StagedGrowth,
): Promise<'complete' | readonly unknown[]> {
  const { tag, flowId, head, kind, hash, nodes, notAfterMs } = growth
  const giveUpAt = performance.now() + WAITS_MS
  let from = 0
  while (from < nodes.length) {
    const parts = createCallParts()
    const part = parts.pack(takePart(nodes, from))
    const { reply } = await ctx.invoke({
      name: 'flows_stage',
      tag,
      args: [kind, head, notAfterMs, hash, from, parts.routes, part.ids, part.nodes],
      bytes: parts.bytes,
    })
    const [word, detail] = reply
    if (word === 's') {
      from = Number(detail)
    } else if (word === 'b') {
      await makeRoom(ctx, tag, flowId, detail === true, giveUpAt)
    } else {
      if (word !== 't' && word !== 'k') await unstage(ctx, tag, flowId, hash)
      return reply
    }
  }
  return 'complete'
}

/** From that node on, as many as fit. */
function takePart(nodes: readonly PackedNode[], from: number): readonly PackedNode[] {
  let to = from
  let edges = 0
  let bytes = 0
  while (to < nodes.length && to - from < nodesOfCallMax) {
    const node = nodes[to]
    if (node === undefined) break
    edges += node.ins.length + node.outs.length
    bytes += sizeOf([node])
    if (to > from && (edges > EDGES_MAX || bytes > BYTES_MAX)) break
    to += 1
  }
  return nodes.slice(from, to)
}

/** Another growth is in the way: one that is committed is let in; of another's parts those whose time is over go. */
async function makeRoom(
  ctx: ValkeyContext,
  tag: string,
  flowId: FlowId,
  isCommitted: boolean,
  giveUpAt: number,
): Promise<void> {
  if (isCommitted) {
    await letIn(ctx, tag, flowId)
    return
  }
  if (await unstage(ctx, tag, flowId, '')) return
  if (performance.now() >= giveUpAt)
    throw engineError('contention', `Another call is bringing flow ${flowId} a graph in parts`)
  await pause(PAUSE_MS)
}

/** Lets the members go that a commit or a seal left, until that is done. Whoever dies here is followed by the dispatcher. */
export async function letIn(ctx: ValkeyContext, tag: string, flowId: FlowId): Promise<void> {
  for (;;) {
    const { reply } = await ctx.invoke({ name: 'flows_release', tag, args: [flowId, nodesOfCallMax] })
    if (reply) return
  }
}

/** Removes parts that are not to be committed; with '' only those whose time is over. Answers whether none is left. */
export async function unstage(
  ctx: ValkeyContext,
  tag: string,
  flowId: FlowId,
  hash: string,
): Promise<boolean> {
  for (;;) {
    const { reply: left } = await ctx.invoke({ name: 'flows_unstage', tag, args: [flowId, hash] })
    if (left <= 0) return left === 0
  }
}
