import { checkScanRequest, type ScanRequest, type ScanResult } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { numberEvents } from '../events/numbering.js'

type UpkeepItem = { readonly outcome: 'done'; readonly task: string; readonly count: number }

/** Without a vacuum of its own, PGlite's hot tables would only grow. */
const VACUUM_EVERY_MS = 60_000
const hotTables = [
  'execution',
  'completion_event',
  'event_batch',
  'event',
  'lane_depth',
  'edge',
  'edge_group',
  'flow',
  'attempt',
]

const lastVacuum = new WeakMap<PostgresContext, number>()

/** What only this store has to do: number the feed, fold the depth's deltas, and vacuum where nobody else does. */
export async function upkeep(ctx: PostgresContext, params: ScanRequest): Promise<ScanResult<UpkeepItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const items: UpkeepItem[] = []
  const done = (task: string, count: number) => {
    if (count > 0) items.push({ outcome: 'done', task, count })
  }
  // All of it belongs to no partition, and so is the first one's.
  if (partition === 0) {
    done('number_events', await numberEvents(ctx, { waits: false }))
    done('fold_depth', await foldDepth(ctx))
    done('vacuum', await vacuumEmbedded(ctx))
  }
  return { items, more: false }
}

/** Puts the deltas of each lane and state into one row. Deltas that come meanwhile are rows of their own. */
async function foldDepth(ctx: PostgresContext): Promise<number> {
  const [row] = await ctx.db.call<{ folded: number }>(
    `with gone as (
       delete from ff.lane_depth where ctid in (select ctid from ff.lane_depth limit 50000 for update skip locked)
       returning lane_id, public_state, n
     ), kept as (
       insert into ff.lane_depth (lane_id, public_state, n)
       select lane_id, public_state, sum(n) from gone group by lane_id, public_state having sum(n) <> 0
     )
     select count(*) as folded from gone`,
  )
  return row?.folded ?? 0
}

async function vacuumEmbedded(ctx: PostgresContext): Promise<number> {
  if (!ctx.isPglite) return 0
  const now = Date.now()
  const last = lastVacuum.get(ctx)
  // The first minute after an opening belongs to whoever opened it.
  if (last === undefined || now - last < VACUUM_EVERY_MS) {
    if (last === undefined) lastVacuum.set(ctx, now)
    return 0
  }
  lastVacuum.set(ctx, now)
  for (const table of hotTables) await ctx.db.query(`vacuum (analyze) ff.${table}`)
  return hotTables.length
}
