import {
  completeCounts,
  type FlowId,
  type FlowState,
  type FlowSummary,
  flowSummaryStateOf,
  type PublicState,
  terminalOf,
  totalOf,
} from '@flowfabric/core'
import type { Executor } from '../db/database.js'

interface CountRow {
  readonly id: FlowId
  readonly counts: Partial<Record<PublicState, number>> | null
  readonly first_start: number | null
  readonly last_change: number | null
  readonly now: number
}

interface RunTimeRow {
  readonly flow_id: FlowId
  readonly id: string
  readonly run_ms: number
  readonly upstreams: readonly string[] | null
}

/** Exact counts of the flows' members as of now, by the members themselves. */
export async function summarizeFlows(
  executor: Executor,
  flows: readonly { readonly id: FlowId; readonly state: FlowState }[],
): Promise<Map<FlowId, FlowSummary>> {
  const ids = flows.map(({ id }) => id)
  const rows = await executor.query<CountRow>(
    `select f.id, ff.now_ms() as now, m.counts, m.first_start, m.last_change
     from unnest($1::uuid[]) as f(id) cross join lateral (
       select jsonb_object_agg(s.public_state, s.n) as counts, min(s.first_start) as first_start, max(s.last_change) as last_change
       from (
         select x.public_state, count(*) as n,
           least(min(a.first_start), min(case when x.lifecycle_phase = 'active' then x.attempt_started_at end)) as first_start,
           max(greatest(x.created_at, x.terminal_at, x.ready_at, a.last_end,
             case when x.lifecycle_phase = 'active' then x.lease_started_at end)) as last_change
         from ff.execution x left join lateral (
           select min(a.started_at) as first_start, max(a.ended_at) as last_end
           from ff.attempt a where a.partition_key = x.partition_key and a.execution_id = x.id
         ) a on x.attempt_count > 0
         where x.flow_id = f.id group by x.public_state
       ) s
     ) m`,
    [ids],
  )
  const paths = await readCriticalPaths(executor, ids)
  const states = new Map(flows.map(({ id, state }) => [id, state]))
  return new Map(
    rows.map((row) => {
      const counts = completeCounts(row.counts ?? {})
      const total = totalOf(counts)
      return [
        row.id,
        {
          totalMembers: total,
          counts,
          publicFlowState: flowSummaryStateOf(states.get(row.id) ?? 'open', counts),
          firstStartAtMs: row.first_start,
          lastChangeAtMs: row.last_change,
          progress: total === 0 ? 0 : terminalOf(counts) / total,
          criticalPathMs: paths.get(row.id) ?? 0,
          lastSummaryUpdateAtMs: row.now,
        },
      ]
    }),
  )
}

/** Longest chain of recorded run times, by flow. Only members that ran are read: others add nothing but their edges. */
async function readCriticalPaths(executor: Executor, ids: readonly FlowId[]): Promise<Map<FlowId, number>> {
  const rows = await executor.query<RunTimeRow>(
    `select x.flow_id, x.id, coalesce((select sum(a.ended_at - a.started_at) from ff.attempt a
         where a.partition_key = x.partition_key and a.execution_id = x.id and a.ended_at is not null), 0)::bigint as run_ms,
       (select array_agg(e.upstream_id) from ff.edge e
         where e.partition_key = x.partition_key and e.downstream_id = x.id) as upstreams
     from ff.execution x where x.flow_id = any($1::uuid[])`,
    [ids],
  )
  const byFlow = new Map<FlowId, RunTimeRow[]>()
  for (const row of rows) {
    const list = byFlow.get(row.flow_id)
    if (list === undefined) byFlow.set(row.flow_id, [row])
    else list.push(row)
  }
  return new Map([...byFlow].map(([id, members]) => [id, longestPath(members)]))
}

/** In topological order, without recursion: depth costs no stack. */
function longestPath(members: readonly RunTimeRow[]): number {
  const downstreams = new Map<string, string[]>()
  const waiting = new Map<string, number>()
  const runMs = new Map(members.map(({ id, run_ms }) => [id, run_ms]))
  for (const { id, upstreams } of members) {
    waiting.set(id, upstreams?.length ?? 0)
    for (const upstream of upstreams ?? []) {
      const list = downstreams.get(upstream)
      if (list === undefined) downstreams.set(upstream, [id])
      else list.push(id)
    }
  }
  const before = new Map<string, number>()
  const open = members.filter(({ id }) => waiting.get(id) === 0).map(({ id }) => id)
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
