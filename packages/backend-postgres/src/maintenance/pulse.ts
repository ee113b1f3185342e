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

interface QuotaPulseRow {
  readonly partition_key: number
  readonly now: number
  readonly schedules_due_at: number | null
  readonly operations_due_at: number | null
  readonly webhooks_due_at: number | null
  readonly retry_at: number | null
  readonly parked: boolean
}

interface BudgetPulseRow {
  readonly partition_key: number
  readonly now: number
  readonly reset_at: number | null
  readonly parked: boolean
}

/** The cheap look: one statement of index probes over all partitions of a family. */
export async function pulse(
  ctx: PostgresContext,
  params: { readonly partitions: readonly PartitionTag[] },
): Promise<PulseResult> {
  const asked = checkPulse(params, await ctx.partitions())
  const [flow, quota, budget] = await Promise.all([
    pulseOfFlows(ctx, asked),
    pulseOfQuotas(ctx, asked),
    pulseOfBudgets(ctx, asked),
  ])
  const byFamily = { flow, quota, budget }
  return {
    nowMs: flow.nowMs ?? quota.nowMs ?? budget.nowMs ?? (await readNow(ctx)),
    partitions: asked.map(({ family, index }) =>
      must(byFamily[family].byIndex.get(index), `the pulse of ${family} ${index}`),
    ),
    waitingLanes: flow.waitingLanes,
  }
}

interface FamilyPulse {
  readonly nowMs: number | undefined
  readonly byIndex: ReadonlyMap<number, PulseResult['partitions'][number]>
}

async function pulseOfFlows(
  ctx: PostgresContext,
  asked: readonly Partition[],
): Promise<FamilyPulse & Pick<PulseResult, 'waitingLanes'>> {
  const indexes = indexesOf(asked, 'flow')
  if (indexes.length === 0) return { nowMs: undefined, byIndex: new Map(), waitingLanes: [] }
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
  const pulses = rows.map((row) => ({
    partition: makePartitionTag('flow', row.partition_key),
    pending: pendingOf(row),
    nextDueAtMs: row.next_due_at,
  }))
  return {
    nowMs: rows[0]?.now,
    byIndex: new Map(rows.map(({ partition_key }, place) => [partition_key, must(pulses[place], 'a pulse')])),
    waitingLanes: rows.flatMap(({ waiting }) => waiting ?? []),
  }
}

async function pulseOfQuotas(ctx: PostgresContext, asked: readonly Partition[]): Promise<FamilyPulse> {
  const indexes = indexesOf(asked, 'quota')
  if (indexes.length === 0) return { nowMs: undefined, byIndex: new Map() }
  const rows = await ctx.db.query<QuotaPulseRow>(
    `select partition_key, now, schedules_due_at, operations_due_at, webhooks_due_at, retry_at, parked
     from ff.pulse_of_quotas($1::integer[])`,
    [indexes],
  )
  return {
    nowMs: rows[0]?.now,
    byIndex: new Map(
      rows.map((row) => [
        row.partition_key,
        recordsPulse(
          'quota',
          row.partition_key,
          row.now,
          {
            schedules: row.schedules_due_at,
            operations: row.operations_due_at,
            webhooks: row.webhooks_due_at,
          },
          { isParked: row.parked, retryAtMs: row.retry_at },
        ),
      ]),
    ),
  }
}

async function pulseOfBudgets(ctx: PostgresContext, asked: readonly Partition[]): Promise<FamilyPulse> {
  const indexes = indexesOf(asked, 'budget')
  if (indexes.length === 0) return { nowMs: undefined, byIndex: new Map() }
  const rows = await ctx.db.query<BudgetPulseRow>(
    'select partition_key, now, reset_at, parked from ff.pulse_of_budgets($1::integer[])',
    [indexes],
  )
  return {
    nowMs: rows[0]?.now,
    byIndex: new Map(
      rows.map((row) => [
        row.partition_key,
        recordsPulse(
          'budget',
          row.partition_key,
          row.now,
          { budget_resets: row.reset_at },
          { isParked: row.parked, retryAtMs: null },
        ),
      ]),
    ),
  }
}

function indexesOf(asked: readonly Partition[], family: PartitionFamily): readonly number[] {
  return asked.flatMap((partition) => (partition.family === family ? [partition.index] : []))
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
