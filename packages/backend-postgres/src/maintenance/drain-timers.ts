import {
  checkScanRequest,
  type FlowId,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
  type TimerItem,
  type TimerKind,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceEnds } from '../leases/after-end.js'
import { messagesSetting } from '../leases/call-with-claims.js'
import { drainFlowTimers } from './flow-timers.js'

interface TimerRow {
  readonly timer: TimerKind
  readonly due_at: number
  readonly outcome: 'applied' | 'rearmed'
  readonly id: string
  readonly lane_id: number
  readonly flow_id: FlowId | null
  readonly is_terminal: boolean
  readonly is_eligible: boolean
  readonly was_active: boolean
  readonly next_due_at: number | null
  readonly messages: string | null
}

/** Applies what is due in a partition: first what flows wait for, since it may end what their members wait for. */
export async function drainTimers(ctx: PostgresContext, params: ScanRequest): Promise<ScanResult<TimerItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const flowItems = await drainFlowTimers(ctx, partition, params.max)
  const left = params.max - flowItems.length
  const rows = left <= 0 ? [] : await drainExecutionTimers(ctx, partition, left)
  const items = rows.map(
    ({ outcome, timer, id, due_at }): TimerItem => ({
      outcome,
      timer,
      id: makeExecutionId(partition, id),
      dueAtMs: due_at,
    }),
  )
  const next = await readNextTimer(ctx, partition)
  return {
    items: [...flowItems, ...items],
    more: left <= 0 || rows.length === left,
    ...(next === null ? {} : { nextDueAtMs: next }),
  }
}

async function drainExecutionTimers(
  ctx: PostgresContext,
  partition: number,
  max: number,
): Promise<readonly TimerRow[]> {
  const rows = await ctx.db.call<TimerRow>(
    `select timer, due_at, outcome, id, lane_id, flow_id, is_terminal, is_eligible, was_active, next_due_at,
       ${messagesSetting} as messages
     from ff.drain_timers($1::integer, $2::integer)`,
    [partition, max],
  )
  const applied = rows.filter(({ outcome }) => outcome === 'applied')
  announceEnds(
    ctx,
    applied.map((row) => ({ ...row, partition_key: partition, due_at: row.next_due_at })),
    { leftMessages: rows.some(({ messages }) => messages === 'left') },
  )
  return rows
}

async function readNextTimer(ctx: PostgresContext, partition: number): Promise<number | null> {
  const [row] = await ctx.db.query<{ next: number | null }>(
    `select least(
       (select min(due_at) from ff.execution where partition_key = $1 and due_at is not null and lifecycle_phase <> 'terminal'),
       (select min(due_at) from ff.flow where partition_key = $1 and due_at is not null
          and state in ('draft', 'open', 'cancelling'))) as next`,
    [partition],
  )
  return row?.next ?? null
}
