import {
  checkPulse,
  type LaneId,
  makePartitionTag,
  must,
  type Namespace,
  type PartitionTag,
  type PendingWork,
  type PulseResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

/** Lanes whose best claimable execution has waited longer than this are announced. */
const WAITING_MS = 250
/** Delta rows of the depth that make a fold worth while. */
const FOLD_ROWS = 200

interface PulseRow {
  readonly partition_key: number
  readonly now: number
  readonly next_due_at: number | null
  readonly outbox: boolean
  readonly sibling_cancels: boolean
  readonly cancel_backlog: boolean
  readonly projection: boolean
  readonly retention: boolean
  readonly upkeep: boolean
  readonly waiting:
    | readonly { readonly namespace: Namespace; readonly lane: LaneId; readonly readyAtMs: number }[]
    | null
}

/** The cheap look: one statement of index probes over all partitions asked for. */
export async function pulse(
  ctx: PostgresContext,
  params: { readonly partitions: readonly PartitionTag[] },
): Promise<PulseResult> {
  const indexes = checkPulse(params, await ctx.partitions())
  const rows = await ctx.db.query<PulseRow>(
    `with time as materialized (select ff.now_ms() as now)
     select p.key as partition_key, t.now,
       least(
         (select min(x.due_at) from ff.execution x
           where x.partition_key = p.key and x.due_at is not null and x.lifecycle_phase <> 'terminal'),
         (select f.due_at from ff.flow f where f.partition_key = p.key and f.due_at is not null
           and f.state in ('draft', 'open', 'cancelling') order by f.due_at limit 1)) as next_due_at,
       exists (select 1 from ff.completion_event c
         left join ff.flow f on f.partition_key = c.partition_key and f.id = c.flow_id
         where c.partition_key = p.key and c.available_at <= t.now and f.state is distinct from 'draft') as outbox,
       exists (select 1 from ff.pending_cancel_group g where g.partition_key = p.key) as sibling_cancels,
       exists (select 1 from ff.cancel_backlog b where b.partition_key = p.key) as cancel_backlog,
       exists (select 1 from ff.flow f where f.partition_key = p.key and f.unprojected) as projection,
       exists (select 1 from ff.execution x
           where x.partition_key = p.key and x.due_at <= t.now and x.lifecycle_phase = 'terminal')
         or exists (select 1 from ff.flow f
           where f.partition_key = p.key and f.due_at <= t.now and f.state in ('completed', 'failed', 'cancelled'))
         or (p.key = 0 and exists (select 1 from ff.idempotency_key k where k.expires_at <= t.now)) as retention,
       exists (select 1 from ff.event e where e.partition_key = p.key and e.first_number is null)
         or (p.key = 0 and (select count(*) from (select 1 from ff.lane_depth limit $2) d) >= $2) as upkeep,
       case when p.key = $3 then (
         select jsonb_agg(jsonb_build_object('namespace', w.namespace, 'lane', w.name, 'readyAtMs', w.ready_at)) from (
           select l.namespace, l.name, min(h.ready_at) as ready_at
           from ff.lane l join ff.route r on r.lane_id = l.id
           cross join lateral (select x.ready_at from ff.execution x
             where x.route_id = r.id and x.eligibility_state = 'eligible_now' order by x.score, x.seq limit 1) h
           where l.state in ('active', 'draining') and h.ready_at < t.now - $4::bigint
           group by l.namespace, l.name
         ) w) end as waiting
     from time t, unnest($1::integer[]) as p(key)`,
    [indexes, FOLD_ROWS, indexes[0] ?? null, WAITING_MS],
  )
  const byIndex = new Map(rows.map((row) => [row.partition_key, row]))
  const first = rows[0]
  return {
    nowMs: first?.now ?? (await readNow(ctx)),
    partitions: indexes.map((index) => {
      const row = must(byIndex.get(index), `the pulse of partition ${index}`)
      return {
        partition: makePartitionTag('flow', index),
        pending: pendingOf(row),
        nextDueAtMs: row.next_due_at,
      }
    }),
    waitingLanes: rows.flatMap(({ waiting }) => waiting ?? []),
  }
}

function pendingOf(row: PulseRow): PendingWork[] {
  const isPending: Partial<Record<PendingWork, boolean>> = {
    timers: row.next_due_at !== null && row.next_due_at <= row.now,
    outbox: row.outbox,
    sibling_cancels: row.sibling_cancels,
    cancel_backlog: row.cancel_backlog,
    projection: row.projection,
    retention: row.retention,
    upkeep: row.upkeep,
  }
  return (Object.keys(isPending) as PendingWork[]).filter((work) => isPending[work])
}

async function readNow(ctx: PostgresContext): Promise<number> {
  const [row] = await ctx.db.query<{ now: number }>('select ff.now_ms() as now')
  return must(row, 'the time').now
}
