import { type ConfigureLane, checkConfigureLane, type Lane, must } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { type LaneRow, laneColumns, toLane } from './lane-row.js'

/** Changes the given settings. Answers when no claim is left that may not have seen them. */
export async function configureLane(
  ctx: PostgresContext,
  params: ConfigureLane,
): Promise<{ readonly outcome: 'configured'; readonly lane: Lane }> {
  checkConfigureLane(params)
  const { namespace, lane, settings } = params
  const { shards, concurrency, ageingMs, weight, retentionMs, eventLevel } = settings
  const row = await ctx.db.transaction(async (tx) => {
    // A statement of its own: one that makes the lane would not see it.
    await tx.query('select ff.ensure_lane($1, $2)', [namespace, lane])
    const [changed] = await tx.query<LaneRow>(
      `update ff.lane l set shards = coalesce($3, l.shards), weight = coalesce($4, l.weight),
         retention_ms = coalesce($5, l.retention_ms), event_level = coalesce($6, l.event_level),
         concurrency = case when $7::boolean then $8 else l.concurrency end,
         ageing_ms = case when $9::boolean then $10 else l.ageing_ms end, version = l.version + 1
       where l.namespace = $1 and l.name = $2 returning ${laneColumns}`,
      [
        namespace,
        lane,
        shards ?? null,
        weight ?? null,
        retentionMs ?? null,
        eventLevel ?? null,
        concurrency !== undefined,
        concurrency ?? null,
        ageingMs !== undefined,
        ageingMs ?? null,
      ],
    )
    return must(changed, `lane ${namespace}/${lane}`)
  })
  await ctx.db.call('select ff.quiesce()')
  await ctx.catalog.refresh()
  // Room, or another share: those who wait look again.
  ctx.hints.emit({ type: 'ready', namespace, lane, count: 1 })
  return { outcome: 'configured', lane: toLane(row) }
}
