import {
  type BudgetId,
  checkWakeParked,
  type ExecutionId,
  partitionOfTag,
  type QuotaId,
  type ScanRequest,
  type ScanResult,
  type WokenKeys,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceReady } from '../leases/after-end.js'
import type { StoredDemands } from './demands.js'

/** Wakes what waits for a key of a quota, or for a budget: under its lock, so that it sees whoever was refused before. */

const LINES_PER_WAKE = 100

/** Answers how many lines were woken. */
async function wakeQuota(ctx: PostgresContext, quotaId: QuotaId, key: string, max: number): Promise<number> {
  const [row] = await ctx.db.call<{ lanes: readonly number[] | null }>(
    'select ff.wake_quota($1::uuid, $2, $3::integer) as lanes',
    [quotaId, key, max],
  )
  return announceWoken(ctx, row?.lanes ?? [])
}

async function wakeBudget(ctx: PostgresContext, budgetId: BudgetId, max: number): Promise<number> {
  const [row] = await ctx.db.call<{ lanes: readonly number[] | null }>(
    'select ff.wake_budget($1::uuid, $2::integer) as lanes',
    [budgetId, max],
  )
  return announceWoken(ctx, row?.lanes ?? [])
}

function announceWoken(ctx: PostgresContext, lanes: readonly number[]): number {
  const byLane = new Map<number, number>()
  for (const lane of lanes) byLane.set(lane, (byLane.get(lane) ?? 0) + 1)
  announceReady(ctx, byLane)
  return lanes.length
}

/** What of a partition has room for a line that waits for it. */
export async function wakeParked(ctx: PostgresContext, params: ScanRequest): Promise<ScanResult<WokenKeys>> {
  const index = checkWakeParked(params, await ctx.partitions())
  const { family } = partitionOfTag(params.partition)
  return family === 'budget' ? wakeBudgets(ctx, index, params.max) : wakeQuotas(ctx, index, params.max)
}

async function wakeQuotas(ctx: PostgresContext, index: number, max: number): Promise<ScanResult<WokenKeys>> {
  const found = await ctx.db.query<{ quota_id: QuotaId; key: string }>(
    'select quota_id, key from ff.wakeable_quotas($1::integer)',
    [index],
  )
  const items: WokenKeys[] = []
  let left = max
  for (const { quota_id: quotaId, key } of found) {
    if (left <= 0) return { items, more: true }
    const count = await wakeQuota(ctx, quotaId, key, left)
    left -= count
    if (count > 0) items.push({ outcome: 'woken', by: { kind: 'quota', quotaId, key }, count })
  }
  const [row] = await ctx.db.query<{ next: number | null }>(
    'select min(retry_at) as next from ff.admission_line where home = $1 and by_quota is not null',
    [index],
  )
  return { items, more: left <= 0, ...(row?.next == null ? {} : { nextDueAtMs: row.next }) }
}

async function wakeBudgets(ctx: PostgresContext, index: number, max: number): Promise<ScanResult<WokenKeys>> {
  const found = await ctx.db.query<{ budget_id: BudgetId }>(
    'select budget_id from ff.wakeable_budgets($1::integer)',
    [index],
  )
  const items: WokenKeys[] = []
  let left = max
  for (const { budget_id: budgetId } of found) {
    if (left <= 0) return { items, more: true }
    const count = await wakeBudget(ctx, budgetId, left)
    left -= count
    if (count > 0) items.push({ outcome: 'woken', by: { kind: 'budget', budgetId }, count })
  }
  return { items, more: left <= 0 }
}

/** After a commit that made room: wakes in the background, soon and together. Never fails the operation; a sweep is the net. */
export interface Waker {
  /** What a claim handed out to this process. */
  remember(executionId: ExecutionId, demands: StoredDemands): void
  /** What a handler took for its own use. */
  rememberUse(executionId: ExecutionId, quotaId: QuotaId, key: string): void
  /** Leases that have ended, or were put aside. */
  afterEnds(executionIds: Iterable<ExecutionId>): void
  quota(quotaId: QuotaId, key: string): void
  budget(budgetId: BudgetId): void
}

const rememberedMax = 50_000

export function createWaker(ctx: () => PostgresContext): Waker {
  const held = new Map<ExecutionId, StoredDemands>()
  const due = new Map<string, () => Promise<unknown>>()
  let isRunning = false

  const kick = async () => {
    if (isRunning) return
    isRunning = true
    while (due.size > 0) {
      const now = [...due.values()]
      due.clear()
      for (const wake of now) if (!ctx().closing.aborted) await wake().catch(() => {})
    }
    isRunning = false
  }

  const waker: Waker = {
    remember(executionId, demands) {
      if (held.size >= rememberedMax) held.clear()
      held.set(executionId, demands)
    },
    rememberUse(executionId, quotaId, key) {
      const { q, b } = held.get(executionId) ?? { q: [], b: [] }
      waker.remember(executionId, { q: [...q, [quotaId, key, 0, 0]], b })
    },
    afterEnds(executionIds) {
      for (const id of executionIds) {
        const demands = held.get(id)
        if (demands === undefined) continue
        held.delete(id)
        for (const [quotaId, key] of demands.q) waker.quota(quotaId, key)
        for (const [budgetId] of demands.b) waker.budget(budgetId)
      }
    },
    quota(quotaId, key) {
      due.set(`${quotaId}/${key}`, () => wakeQuota(ctx(), quotaId, key, LINES_PER_WAKE))
      void kick()
    },
    budget(budgetId) {
      due.set(budgetId, () => wakeBudget(ctx(), budgetId, LINES_PER_WAKE))
      void kick()
    },
  }
  return waker
}
