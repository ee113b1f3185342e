import { limits, must, type StoreDescription } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { readServerTimeMs } from './clock.js'

interface StoreRow {
  readonly version: string
  readonly fsync: string
  readonly synchronous_commit: string
  readonly layout_version: number
  readonly is_virtual: boolean
  readonly executions: number
  readonly flows: number
  readonly outbox: number
  readonly events: number
}

export async function describeStore(ctx: PostgresContext): Promise<StoreDescription> {
  const partitions = await ctx.partitions()
  const [found] = await ctx.db.query<StoreRow>(
    `select current_setting('server_version') as version, current_setting('fsync') as fsync,
       current_setting('synchronous_commit') as synchronous_commit, d.layout_version, d.virtual_now_ms is not null as is_virtual,
       (select coalesce(sum(n), 0)::bigint from ff.lane_depth) as executions,
       (select count(*)::bigint from ff.flow) as flows,
       (select count(*)::bigint from ff.completion_event) as outbox,
       (select coalesce(sum(count), 0)::bigint from ff.event)
         + (select coalesce(sum(cardinality(partitions)), 0)::bigint from ff.event_batch) as events
     from ff.deployment d`,
  )
  const row = must(found, 'the deployment')
  const postgres = `PostgreSQL ${row.version.split(' ')[0]}`
  return {
    kind: 'postgres',
    store: ctx.isPglite ? `PGlite (${postgres})` : postgres,
    layoutVersion: row.layout_version,
    partitions,
    virtualTime: row.is_virtual,
    durability: describeDurability(ctx.isPglite, row),
    limits: { ...limits, hopMaxEdges: ctx.settings.hopMaxEdges, callMaxEdges: ctx.settings.callMaxEdges },
    counts: { executions: row.executions, flows: row.flows, outbox: row.outbox, events: row.events },
  }
}

function describeDurability(isPglite: boolean, { fsync, synchronous_commit }: StoreRow): string {
  if (fsync !== 'on') {
    return isPglite
      ? 'what was acknowledged survives the end of the process, not a power failure (fsync is off)'
      : 'what was acknowledged may be lost with the machine, and the database with it (fsync is off)'
  }
  if (synchronous_commit === 'off') {
    return 'what was acknowledged in the last moments may be lost with the server (synchronous_commit is off)'
  }
  return `what was acknowledged survives a crash of the server and a power failure (fsync on, synchronous_commit ${synchronous_commit})`
}

/** Throws `store_unreachable`. */
export async function pingStore(
  ctx: PostgresContext,
): Promise<{ readonly outcome: 'pong'; readonly roundTripMs: number }> {
  const begunAt = performance.now()
  await readServerTimeMs(ctx)
  return { outcome: 'pong', roundTripMs: performance.now() - begunAt }
}
