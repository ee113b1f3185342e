import {
  completeCounts,
  type FlowId,
  type FlowSummary,
  flowSummaryStateOf,
  type Namespace,
  type PublicState,
  publicStates,
  terminalOf,
  totalOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { type GraphFacts, readFacts } from '../flows/read-facts.js'
import { readFlow } from '../flows/read-flow.js'
import { countsOf, readStoredFlow, type StoredFlow } from '../flows/stored-flow.js'
import { longestPath } from '../flows/summarize.js'
import { flowFields as F } from '../generated/layouts.js'
import { numberAt, textAt, timeAt } from '../records/stored-execution.js'

/** A flow's members counted one by one, as of one change of the flow. */
export interface Recount {
  readonly change: number
  readonly summary: FlowSummary
  /** The counts that the flow keeps are others. */
  readonly hasDrifted: boolean
}

const TRIES_MAX = 3

/** Nothing where nothing has changed since the last time, or where the flow changes faster than it can be read. */
export async function countMembers(
  ctx: ValkeyContext,
  flowId: FlowId,
  core: Uint8Array,
): Promise<Recount | undefined> {
  let flow = readStoredFlow(core, null, flowId)
  if (flow.fields[F.unprojected] === 0) return undefined
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const facts = await readFacts(ctx, flowId)
    if (facts.isOfOneMoment && facts.change === numberAt(flow.fields, F.change)) return recount(flow, facts)
    flow = (await readFlow(ctx, textAt(flow.fields, F.ns) as Namespace, flowId)).flow
  }
  return undefined
}

function recount(flow: StoredFlow, facts: GraphFacts): Recount {
  const { change, state, members, readAtMs } = facts
  const counts = countOf(facts)
  const kept = countsOf(flow)
  const starts = members.flatMap(({ firstStartAtMs }) => firstStartAtMs ?? [])
  const total = totalOf(counts)
  const summary: FlowSummary = {
    totalMembers: total,
    counts,
    publicFlowState: flowSummaryStateOf(state, counts),
    firstStartAtMs: starts.length === 0 ? null : starts.reduce((a, b) => Math.min(a, b)),
    lastChangeAtMs: timeAt(flow.fields, F.changed_at),
    progress: total === 0 ? 0 : terminalOf(counts) / total,
    criticalPathMs: longestPath(members),
    lastSummaryUpdateAtMs: readAtMs,
  }
  return { change, summary, hasDrifted: publicStates.some((each) => counts[each] !== kept[each]) }
}

function countOf({ members }: GraphFacts): Readonly<Record<PublicState, number>> {
  const tally: Partial<Record<PublicState, number>> = {}
  for (const { publicState } of members) tally[publicState] = (tally[publicState] ?? 0) + 1
  return completeCounts(tally)
}
