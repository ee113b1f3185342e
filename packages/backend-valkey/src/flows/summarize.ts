import { type ExecutionId, type FlowSummary, flowSummaryStateOf, terminalOf, totalOf } from '@flowfabric/core'
import { flowFields as F } from '../generated/layouts.js'
import { numberAt, timeAt } from '../records/stored-execution.js'
import type { MemberFacts } from './read-facts.js'
import { countsOf, type StoredFlow } from './stored-flow.js'

/**
 * The summary of a flow as of now, by its exact counts; what takes the whole graph, by its members, which may be absent
 * while none of them has ever started.
 */
export function summarize(
  flow: StoredFlow,
  members: readonly MemberFacts[] | null,
  lastSummaryUpdateAtMs: number | null,
): FlowSummary {
  const counts = countsOf(flow)
  const total = totalOf(counts)
  const starts = (members ?? []).flatMap(({ firstStartAtMs }) => firstStartAtMs ?? [])
  return {
    totalMembers: total,
    counts,
    publicFlowState: flowSummaryStateOf(flow.state, counts),
    firstStartAtMs: starts.length === 0 ? null : starts.reduce((a, b) => Math.min(a, b)),
    lastChangeAtMs: timeAt(flow.fields, F.changed_at),
    progress: total === 0 ? 0 : terminalOf(counts) / total,
    criticalPathMs: longestPath(members ?? []),
    lastSummaryUpdateAtMs,
  }
}

/** Whether a member ever started: without, nothing of a summary takes the whole graph. */
export function hasStarted({ fields }: StoredFlow): boolean {
  return numberAt(fields, F.first_start) > 0
}

/** Longest chain of run times, in topological order and without recursion: depth costs no stack. */
export function longestPath(members: readonly Pick<MemberFacts, 'id' | 'runMs' | 'upstreams'>[]): number {
  const downstreams = new Map<ExecutionId, ExecutionId[]>()
  const waiting = new Map<ExecutionId, number>()
  const runMs = new Map(members.map((member) => [member.id, member.runMs]))
  for (const { id, upstreams } of members) {
    waiting.set(id, upstreams.length)
    for (const upstream of upstreams) {
      const list = downstreams.get(upstream)
      if (list === undefined) downstreams.set(upstream, [id])
      else list.push(id)
    }
  }
  const before = new Map<ExecutionId, number>()
  const open = members.filter(({ upstreams }) => upstreams.length === 0).map(({ id }) => id)
  let longest = 0
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const own = (before.get(id) ?? 0) + (runMs.get(id) ?? 0)
    longest = Math.max(longest, own)
    for (const next of downstreams.get(id) ?? []) {
      before.set(next, Math.max(before.get(next) ?? 0, own))
      const left = (waiting.get(next) ?? 1) - 1
      waiting.set(next, left)
      if (left === 0) open.push(next)
    }
  }
  return longest
}
