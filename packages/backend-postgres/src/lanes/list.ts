import {
  checkListLanes,
  completeCounts,
  type LaneView,
  type PublicState,
  type Scoped,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { type LaneRow, laneColumns, toLane } from './lane-row.js'

interface LaneViewRow extends LaneRow {
  readonly depth: Partial<Record<PublicState, number>> | null
  readonly oldest_ready_at: number | null
}

/** All lanes with their depth, which is the sum of the deltas that each statement left. */
export async function listLanes(
  ctx: PostgresContext,
  params: Scoped,
): Promise<{ readonly outcome: 'listed'; readonly lanes: readonly LaneView[] }> {
  checkListLanes(params)
  const rows = await ctx.db.query<LaneViewRow>(
    `select ${laneColumns},
       (select jsonb_object_agg(d.public_state, d.n) from (
         select public_state, sum(n)::bigint as n from ff.lane_depth where lane_id = l.id group by public_state) d) as depth,
       (select min(x.ready_at) from ff.route r join ff.execution x on x.route_id = r.id
         where r.lane_id = l.id and x.eligibility_state = 'eligible_now'
           and (x.admission_key is null or not exists (select 1 from ff.admission_line a where a.admission_key = x.admission_key
             and a.partition_key = x.partition_key and a.head_id is not null))) as oldest_ready_at
     from ff.lane l where l.namespace = $1 order by l.name collate "C"`,
    [params.namespace],
  )
  return {
    outcome: 'listed',
    lanes: rows.map((row) => ({
      ...toLane(row),
      depth: completeCounts(row.depth ?? {}),
      oldestReadyAtMs: row.oldest_ready_at,
    })),
  }
}
