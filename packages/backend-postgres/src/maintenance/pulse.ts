import {
  checkPulse,
  type LaneId,
  limits,
  makePartitionTag,
  must,
  type Namespace,
  type Partition,
  type PartitionFamily,
  type PartitionTag,
  type PendingWork,
  type PulseResult,
  recordsPulse,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

/** Lanes whose best claimable execution has waited longer than this are announced. */
const WAITING_MS = 250
/** Delta rows of the depth that make a fold worth while. */
const FOLD_ROWS = 200
/** How long events that nobody reads may go without numbers. */
const UNNUMBERED_MS = 5_000

interface FlowPulseRow {
  readonly family: 'flow'
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

interface QuotaPulseRow {
  readonly family: 'quota'
  readonly partition_key: number
  readonly now: number
  readonly schedules_due_at: number | null
  readonly operations_due_at: number | null
  readonly webhooks_due_at: number | null
  readonly retry_at: number | null
  readonly parked: boolean
}

interface BudgetPulseRow {
  readonly family: 'budget'
  readonly partition_key: number
  readonly now: number
  readonly reset_at: number | null
  readonly parked: boolean
}

type PulseRow = FlowPulseRow | QuotaPulseRow | BudgetPulseRow

/** Of all families at once: an engine sends it each second, and has nothing else to send while nothing happens. */
const statement = `
  select 'flow' as family, partition_key, now, next_due_at, outbox, sibling_cancels, cancel_backlog, projection, upkeep, waiting,
    retention or case when partition_key = 0 then ff.deployment_records_over(now, $8, $9) else false end as retention,
    null::bigint as schedules_due_at, null::bigint as operations_due_at, null::bigint as webhooks_due_at, null::bigint as retry_at,
    null::bigint as reset_at, false as parked
  from ff.pulse_of($1::integer[], $4::integer, $5::bigint, $6::bigint, $7::bigint)
  union all
  select 'quota', partition_key, now, null, false, false, false, false, false, null, false, schedules_due_at, operations_due_at,
    webhooks_due_at, retry_at, null, parked
  from ff.pulse_of_quotas($2::integer[])
  union all
  select 'budget', partition_key, now, null, false, false, false, false, false, null, false, null, null, null, null, reset_at, parked
  from ff.pulse_of_budgets($3::integer[])`

/** The cheap look: one statement of index probes over all partitions. */
export async function pulse(
  ctx: PostgresContext,
  params: { readonly partitions: readonly PartitionTag[] },
): Promise<PulseResult> {
  const asked = checkPulse(params, await ctx.partitions())
  const rows = await ctx.db.query<PulseRow>(statement, [
    indexesOf(asked, 'flow'),
    indexesOf(asked, 'quota'),
    indexesOf(asked, 'budget'),
    FOLD_ROWS,
    WAITING_MS,
    UNNUMBERED_MS,
    limits.feedAgeMsMax,
    limits.tokenKeptMs,
    limits.auditAgeMsMax,
  ])
  const pulses = new Map(rows.map((row) => [makePartitionTag(row.family, row.partition_key), toPulse(row)]))
  const waitingLanes = rows.flatMap((row) => (row.family === 'flow' ? (row.waiting ?? []) : []))
  for (const { namespace, lane } of waitingLanes) ctx.hints.emit({ type: 'ready', namespace, lane, count: 0 })
  return {
    nowMs: rows[0]?.now ?? (await readNow(ctx)),
    partitions: asked.map(({ family, index }) =>
      must(pulses.get(makePartitionTag(family, index)), `the pulse of ${family} ${index}`),
    ),
    waitingLanes,
  }
}

function toPulse(row: PulseRow): PulseResult['partitions'][number] {
  const { partition_key, now } = row
  switch (row.family) {
    case 'flow':
      return {
        partition: makePartitionTag('flow', partition_key),
        pending: pendingOf(row),
        nextDueAtMs: row.next_due_at,
      }
    case 'quota': {
      const { schedules_due_at: schedules, operations_due_at: operations, webhooks_due_at: webhooks } = row
      const admission = { isParked: row.parked, retryAtMs: row.retry_at }
      return recordsPulse('quota', partition_key, now, { schedules, operations, webhooks }, admission)
    }
    case 'budget': {
      const admission = { isParked: row.parked, retryAtMs: null }
      return recordsPulse('budget', partition_key, now, { budget_resets: row.reset_at }, admission)
    }
  }
}

function indexesOf(asked: readonly Partition[], family: PartitionFamily): readonly number[] {
  return asked.flatMap((partition) => (partition.family === family ? [partition.index] : []))
}

function pendingOf(row: FlowPulseRow): PendingWork[] {
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
