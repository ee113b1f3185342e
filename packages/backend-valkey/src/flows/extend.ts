import {
  checkExtendFlow,
  checkGraph,
  type ExtendFlow,
  type ExtendFlowOutcome,
  engineError,
  type LaneState,
  type LeaseHandle,
  makeExecutionId,
  partitionIndexOf,
} from '@flowfabric/core'
import { requireDemands } from '../admission/require-demands.js'
import type { ValkeyContext } from '../context.js'
import { readRefusal } from '../leases/refusal.js'
import { asList } from '../library/as-list.js'
import { headOf, laneOf } from './accept.js'
import { createCallParts } from './call-parts.js'
import { readExistingGraph } from './existing-graph.js'
import { type ExtendReading, packHandle, readForExtend } from './extend-reading.js'
import { contentOf, growthHashOf } from './flow-content.js'
import { readFlowState } from './flow-letters.js'
import { type FlowPlace, orFlowNotFound, placeOf } from './flow-place.js'
import { type PackedGraph, packGraph } from './pack-graph.js'
import { judgeRepeat } from './repeated-extend.js'
import { fitInOneCall, letIn, nodesOfCallMax, stage, unstage } from './staged-growth.js'

/** How often others may grow the flow between the look and the write. */
const TRIES_MAX = 5

/**
 * Adds nodes and edges to a draft or an open flow, all or nothing. What takes the graph, whether it is a repeat, closes a cycle
 * or takes a name, is judged here, and written as long as the flow has the revision that was looked at.
 */
export async function extendFlow(ctx: ValkeyContext, params: ExtendFlow): Promise<ExtendFlowOutcome> {
  const given = checkExtendFlow(params, await ctx.partitions())
  await requireDemands(ctx, params.namespace, params.nodes)
  const place = await placeOf(ctx, params.flowId)
  const handle = given && partitionIndexOf(given.executionId) === place.partition ? given : undefined
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const reading = await readForExtend(ctx, place, params, handle)
    if (reading === undefined) continue
    const refusal =
      given !== undefined && handle === undefined ? await fenceElsewhere(ctx, params, given) : reading.refusal
    const outcome = refusal ?? judge(params, reading) ?? (await grow(ctx, place, params, handle, reading))
    if (outcome !== 'moved') return outcome
  }
  throw engineError('contention', `Flow ${params.flowId} grew at the same time, again and again`)
}

/** A lease that is not of a member: it is looked at where it is, before the flow is. */
async function fenceElsewhere(ctx: ValkeyContext, { namespace }: ExtendFlow, handle: LeaseHandle) {
  const tag = `fp:${partitionIndexOf(handle.executionId)}`
  const { reply } = await ctx.invoke({ name: 'flows_fence', tag, args: [namespace, packHandle(handle)] })
  return asList(reply).length === 0 ? undefined : readRefusal(reply)
}

/** What speaks against it before the graph is looked at, in the documented order. */
function judge(params: ExtendFlow, reading: ExtendReading): ExtendFlowOutcome | undefined {
  const { state, revision } = reading
  const repeat = judgeRepeat(params, reading)
  if (repeat === 'duplicate') return { outcome: 'duplicate', graphRevision: revision }
  if (repeat === 'conflict') return { outcome: 'execution_conflict' }
  if (state !== 'open' && state !== 'draft') return { outcome: 'flow_not_open', flowState: state }
  if (params.expectedRevision !== undefined && params.expectedRevision !== revision) {
    return { outcome: 'graph_revision_mismatch', graphRevision: revision }
  }
  return undefined
}

async function grow(
  ctx: ValkeyContext,
  place: FlowPlace,
  params: ExtendFlow,
  handle: LeaseHandle | undefined,
  reading: ExtendReading,
): Promise<ExtendFlowOutcome | 'moved'> {
  checkGraph(params, await readExistingGraph(ctx, place, params, reading))
  const known = new Map([...reading.upstreams].map(([id, links]) => [id, links.length]))
  const graph = packGraph(ctx, params.namespace, params, known)
  if (fitInOneCall(graph.nodes, nodesOfCallMax))
    return callExtend(ctx, place, params, handle, reading.revision, graph, '')
  const { tag } = place
  const { flowId } = params
  const hash = growthHashOf(contentOf(params), known)
  const { nodes } = graph
  const growth = { tag, flowId, kind: 'e', hash, nodes, notAfterMs: 0 } as const
  const staged = await stage(ctx, { ...growth, head: headOf(params, null) })
  const outcome =
    staged === 'complete'
      ? await callExtend(ctx, place, params, handle, reading.revision, graph, hash)
      : toOutcome(place, staged)
  if (outcome === 'moved' || outcome.outcome !== 'extended') await unstage(ctx, tag, flowId, hash)
  return outcome
}

/** With a hash the nodes are there already, in parts. */
async function callExtend(
  ctx: ValkeyContext,
  place: FlowPlace,
  { namespace, flowId }: ExtendFlow,
  handle: LeaseHandle | undefined,
  revision: number,
  graph: PackedGraph,
  hash: string,
): Promise<ExtendFlowOutcome | 'moved'> {
  const isStaged = hash !== ''
  const parts = createCallParts()
  const packed = parts.packGrowth(isStaged ? { ...graph, nodes: [] } : graph)
  const { reply } = await orFlowNotFound(
    flowId,
    ctx.invoke({
      name: 'flows_extend',
      tag: place.tag,
      args: [
        namespace,
        flowId,
        revision,
        handle === undefined ? [] : [packHandle(handle)],
        hash,
        isStaged ? graph.nodes.length : 0,
        isStaged ? [...new Set(graph.nodes.map(({ route }) => route.laneKey))] : [],
        parts.routes,
        packed.ids,
        packed.nodes,
        packed.targets,
        packed.upstreams,
      ],
      bytes: parts.bytes,
    }),
  )
  if (reply[0] === 'e' && reply[2] !== true) await letIn(ctx, place.tag, flowId)
  return toOutcome(place, reply)
}

/** As `flows/extend.lua` and `flows/stage.lua` answer it. */
function toOutcome({ partition }: FlowPlace, reply: readonly unknown[]): ExtendFlowOutcome | 'moved' {
  const [word, first, second] = reply
  switch (word) {
    case 'e':
      return { outcome: 'extended', graphRevision: Number(first) }
    case 'f':
      return readRefusal(first as readonly unknown[])
    case 'n':
      return { outcome: 'flow_not_open', flowState: readFlowState(first) }
    case 'd':
      return {
        outcome: 'edge_group_decided',
        ids: asList(first as readonly string[]).map((id) => makeExecutionId(partition, id)),
      }
    case 'l':
      return { outcome: 'lane_not_accepting', lane: laneOf(first), laneState: second as LaneState }
    case 'r':
      return { outcome: 'too_many_routes', lane: laneOf(first) }
    default:
      // It grew meanwhile, an id was taken, or staged parts were removed: all is looked at again.
      return 'moved'
  }
}
