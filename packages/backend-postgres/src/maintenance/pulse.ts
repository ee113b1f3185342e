import {
  checkPulse,
  type LaneId,
  limits,
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
/** How long events that nobody reads may go without numbers. */
const UNNUMBERED_MS = 5_000

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
    `select partition_key, now, next_due_at, outbox, sibling_cancels, cancel_backlog, projection, upkeep, waiting,
       retention or case when partition_key = 0 then ff.deployment_records_over(now, $6, $7) else false end as retention
     from ff.pulse_of($1::integer[], $2::integer, $3::bigint, $4::bigint, $5::bigint)`,
    [
      indexes,
      FOLD_ROWS,
      WAITING_MS,
      UNNUMBERED_MS,
      limits.feedAgeMsMax,
      limits.tokenKeptMs,
      limits.auditAgeMsMax,
    ],
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
