import {
  completeCounts,
  type FlowSummary,
  flowSummaryStateOf,
  must,
  type PublicState,
  terminalOf,
  totalOf,
} from '@flowfabric/core'
import { membersOf, publicStateOfRecord } from './facts.js'
import type { ExecutionRecord, FlowRecord } from './records.js'
import type { Model } from './store.js'

/** The derived summary of a flow as of now. */
export function summarize(model: Model, flow: FlowRecord): FlowSummary {
  const members = membersOf(model, flow)
  const tally: Partial<Record<PublicState, number>> = {}
  for (const x of members) tally[publicStateOfRecord(x)] = (tally[publicStateOfRecord(x)] ?? 0) + 1
  const counts = completeCounts(tally)
  const starts = members.flatMap((x) => x.attempts.map((attempt) => attempt.startedAtMs))
  return {
    totalMembers: totalOf(counts),
    counts,
    publicFlowState: flowSummaryStateOf(flow.state, counts),
    firstStartAtMs: starts.length === 0 ? null : Math.min(...starts),
    lastChangeAtMs: flow.changedAtMs,
    progress: members.length === 0 ? 0 : terminalOf(counts) / members.length,
    criticalPathMs: criticalPathOf(flow, members),
    lastSummaryUpdateAtMs: model.clock.nowMs(),
  }
}

/** Longest chain of recorded run times. */
function criticalPathOf(flow: FlowRecord, members: readonly ExecutionRecord[]): number {
  const byId = new Map(members.map((x) => [x.id, x]))
  const upstreams = new Map<ExecutionRecord['id'], ExecutionRecord['id'][]>()
  for (const { from, to } of flow.edges) upstreams.set(to, [...(upstreams.get(to) ?? []), from])
  const lengths = new Map<ExecutionRecord['id'], number>()
  const order = [...byId.keys()]
  // A node is measured when all its upstreams are; the graph has no cycles, so each round measures some.
  while (lengths.size < order.length) {
    for (const id of order) {
      const before = upstreams.get(id) ?? []
      if (lengths.has(id) || !before.every((up) => lengths.has(up))) continue
      const longest = Math.max(0, ...before.map((up) => must(lengths.get(up), up)))
      lengths.set(id, longest + runTimeOf(must(byId.get(id), id)))
    }
  }
  return Math.max(0, ...lengths.values())
}

function runTimeOf(x: ExecutionRecord): number {
  return x.attempts.reduce(
    (sum, attempt) => sum + ((attempt.endedAtMs ?? attempt.startedAtMs) - attempt.startedAtMs),
    0,
  )
}
