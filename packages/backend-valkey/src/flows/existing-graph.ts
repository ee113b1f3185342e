import {
  type ExecutionId,
  type ExistingGraph,
  type ExtendFlow,
  engineError,
  limits,
  makeExecutionId,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { ExtendReading } from './extend-reading.js'
import { type FlowPlace, orFlowNotFound } from './flow-place.js'

type Edge = ExistingGraph['edges'][number]

/** Members whose names one call gathers. */
const NAMES_MAX = 300
/** Nodes whose edges one call reads. */
const NODES_MAX = 100
const UUID_CHARS = 36

/** What the flow already holds, as far as the call's graph touches it. Throws `cycle_check_exceeded`. */
export async function readExistingGraph(
  ctx: ValkeyContext,
  place: FlowPlace,
  params: ExtendFlow,
  reading: ExtendReading,
): Promise<ExistingGraph> {
  const { partition } = place
  const into = [...reading.upstreams].flatMap(([to, links]) =>
    links.map(
      ([from, as]): Edge => ({ from: makeExecutionId(partition, from), to, as: as === '' ? undefined : as }),
    ),
  )
  const below = mayCloseCycle(params, reading) ? await readEdgesBelow(ctx, place, params, reading) : []
  return {
    ids: reading.members,
    names: new Set(await readTakenNames(ctx, place, params)),
    edges: [...into, ...below],
  }
}

/** Of the call's names those that members have. The first time names are gathered from all members. */
async function readTakenNames(
  ctx: ValkeyContext,
  { tag }: FlowPlace,
  { namespace, flowId, nodes }: ExtendFlow,
): Promise<readonly string[]> {
  const names = nodes.flatMap(({ name }) => name ?? [])
  if (names.length === 0) return []
  for (;;) {
    const { reply } = await orFlowNotFound(
      flowId,
      ctx.invoke({ name: 'flows_names', tag, args: [namespace, flowId, names, NAMES_MAX] }),
    )
    const [isFinal, taken] = reply
    if (isFinal) return asList(taken)
  }
}

/** A cycle with what is there needs an edge that leads to an old node, and one that leads back from an old node. */
function mayCloseCycle({ edges }: ExtendFlow, { members }: ExtendReading): boolean {
  return edges.some(({ to }) => members.has(to)) && edges.some(({ from }) => members.has(from))
}

/** All edges below the old nodes that the call's edges lead to, level by level. */
async function readEdgesBelow(
  ctx: ValkeyContext,
  { partition, tag }: FlowPlace,
  { edges }: ExtendFlow,
  { members }: ExtendReading,
): Promise<readonly Edge[]> {
  const max = limits.cycleCheckEdgesMax
  const found: Edge[] = []
  const seen = new Set(edges.flatMap(({ to }) => (members.has(to) ? [to] : [])))
  let open = [...seen]
  while (open.length > 0) {
    const ids = open.slice(0, NODES_MAX)
    const { reply } = await ctx.invoke({ name: 'flows_reach', tag, args: [ids.map(uuidOf)] })
    open = open.slice(NODES_MAX)
    asList(reply).forEach((downstreams, place) => {
      const from = ids[place]
      if (from === undefined) return
      for (const to of splitIds(partition, downstreams)) {
        found.push({ from, to })
        if (!seen.has(to)) {
          seen.add(to)
          open.push(to)
        }
      }
    })
    if (found.length > max) {
      const message = `More than ${max} edges lie below the targets of the new edges`
      throw engineError('cycle_check_exceeded', message, { max })
    }
  }
  return found
}

function splitIds(partition: number, text: string): readonly ExecutionId[] {
  return Array.from({ length: text.length / UUID_CHARS }, (_, place) =>
    makeExecutionId(partition, text.slice(place * UUID_CHARS, (place + 1) * UUID_CHARS)),
  )
}
