import {
  checkEngineHeartbeat,
  type EngineOperations,
  type EngineView,
  type InstanceId,
  must,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

const ALIVE_MS_DEFAULT = 15_000
/** Engines that were silent for so long are forgotten by whoever beats next. */
const FORGOTTEN_MS = 86_400_000

interface EngineRow {
  readonly engine_id: InstanceId
  readonly label: string
  readonly started_at: number
  readonly last_seen_at: number
}

const columns = 'engine_id, label, started_at, last_seen_at'

/** The registry behind partition ownership. */
export function createEngines(ctx: PostgresContext): EngineOperations {
  return {
    async heartbeat(params) {
      checkEngineHeartbeat(params)
      const { engineId, label, goodbye = false, aliveMs = ALIVE_MS_DEFAULT } = params
      // One round trip; the answer adds what the statement itself changed to what it read.
      const rows = await ctx.db.call<EngineRow & { readonly now: number }>(
        `with beat as (
           insert into ff.engine (engine_id, label, started_at, last_seen_at)
             select $1, $2, ff.now_ms(), ff.now_ms() where not $3
             on conflict (engine_id) do update set label = excluded.label, last_seen_at = excluded.last_seen_at
             returning ${columns}
         ), gone as (
           delete from ff.engine where (engine_id = $1 and $3) or (engine_id <> $1 and last_seen_at < ff.now_ms() - $5::bigint)
         ), time as (select ff.now_ms() as now)
         select t.now, e.* from time t left join (
           select ${columns} from ff.engine where engine_id <> $1 and last_seen_at > ff.now_ms() - $4::bigint
           union all select ${columns} from beat
         ) e on true order by e.engine_id`,
        [engineId, label, goodbye, aliveMs, FORGOTTEN_MS],
      )
      const nowMs = must(rows[0], 'the answer to a heartbeat').now
      return {
        outcome: 'beating',
        engines: rows.filter((row) => row.engine_id !== null).map(toEngine),
        nowMs,
      }
    },

    async list() {
      const rows = await ctx.db.query<EngineRow>(`select ${columns} from ff.engine order by engine_id`)
      return { outcome: 'listed', engines: rows.map(toEngine) }
    },
  }
}

function toEngine(row: EngineRow): EngineView {
  return {
    engineId: row.engine_id,
    label: row.label,
    startedAtMs: row.started_at,
    lastSeenAtMs: row.last_seen_at,
  }
}
