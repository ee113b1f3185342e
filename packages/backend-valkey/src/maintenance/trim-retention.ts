import {
  checkScanRequest,
  isEngineError,
  limits,
  type RetentionItem,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { homeTag } from './prepare.js'
import { trimFlow } from './trim-flow.js'

/** Removes what is past its retention, with everything that belongs to it, in short calls. */
export async function trimRetention(
  ctx: ValkeyContext,
  params: ScanRequest,
): Promise<ScanResult<RetentionItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const tag = `fp:${partition}`
  const trimmed = await trimWheel(ctx, tag, params.max)
  const flows = await trimFlows(ctx, tag, trimmed.flows)
  const keys = await trimKeys(ctx, partition, params.max)
  const home = await trimHome(ctx, partition, params.max)
  const removed: readonly (readonly [RetentionItem['what'], number])[] = [
    ['execution', trimmed.executions],
    ['flow', flows.removed],
    ['idempotency_key', keys.removed],
    ['event', trimmed.events],
    ['token', home.tokens],
    ['audit_entry', home.entries],
  ]
  const unreadable: readonly (readonly [RetentionItem['what'], number])[] = [
    ['execution', trimmed.unreadable],
    ['flow', flows.unreadable],
    ['token', -home.tokens],
    ['audit_entry', -home.entries],
  ]
  return {
    items: [...itemsOf('removed', removed), ...itemsOf('error', unreadable)],
    more: trimmed.more || flows.more || keys.more || home.more,
  }
}

function itemsOf(
  outcome: RetentionItem['outcome'],
  counts: readonly (readonly [RetentionItem['what'], number])[],
): readonly RetentionItem[] {
  return counts.flatMap(([what, count]) => (count > 0 ? [{ outcome, what, count }] : []))
}

/** A flow whose time is over, and the time of its entry on the wheel. */
type DueFlow = readonly [id: string, atMs: number]

interface TrimmedWheel {
  readonly executions: number
  readonly flows: readonly DueFlow[]
  readonly events: number
  readonly unreadable: number
  /** Due executions, or old events, are left. */
  readonly more: boolean
}

/** Removes up to `max` executions, and finds up to `max` flows; each call does as much as one may. */
async function trimWheel(ctx: ValkeyContext, tag: string, max: number): Promise<TrimmedWheel> {
  const flows = new Map<string, number>()
  const unreadable = new Set<string>()
  let executions = 0
  let events = 0
  for (;;) {
    const { reply } = await ctx.invoke({
      name: 'maintenance_trim',
      tag,
      args: [max - executions, limits.feedLengthMax, limits.feedAgeMsMax],
    })
    const [removed, due, bad, more, trimmed, isOld] = reply
    for (const [id, atMs] of asList(due)) if (flows.size < max) flows.set(id, atMs)
    for (const id of asList(bad)) unreadable.add(id)
    executions += removed
    events += trimmed
    // Flows stay where they are until they have been removed: what is behind them may have to wait for that.
    if (!more || removed === 0 || executions === max) {
      return { executions, flows: [...flows], events, unreadable: unreadable.size, more: more || isOld }
    }
  }
}

async function trimFlows(
  ctx: ValkeyContext,
  tag: string,
  due: readonly DueFlow[],
): Promise<{ readonly removed: number; readonly unreadable: number; readonly more: boolean }> {
  let removed = 0
  let unreadable = 0
  for (const [id, atMs] of due) {
    try {
      if (await trimFlow(ctx, tag, id, atMs)) removed += 1
    } catch (fault) {
      if (!isEngineError(fault, 'corruption')) throw fault
      unreadable += 1
    }
  }
  // What the looks found has gone; whether there is more was not looked at.
  return { removed, unreadable, more: removed > 0 && (await hasDue(ctx, tag)) }
}

/** Whether anything is left whose time is over. */
async function hasDue(ctx: ValkeyContext, tag: string): Promise<boolean> {
  const { reply } = await ctx.invoke({ name: 'maintenance_has_due', tag, args: [] })
  return reply
}

/** Keys of the quota partitions that are this partition's to look after, so that each is trimmed by one. */
async function trimKeys(
  ctx: ValkeyContext,
  partition: number,
  max: number,
): Promise<{ readonly removed: number; readonly more: boolean }> {
  const { flow, quota } = await ctx.partitions()
  let removed = 0
  for (let index = partition; index < quota; index += flow) {
    const left = max - removed
    if (left <= 0) break
    const { reply } = await ctx.invoke({ name: 'maintenance_trim_keys', tag: `q:${index}`, args: [left] })
    removed += reply
  }
  return { removed, more: removed >= max }
}

interface TrimmedHome {
  /** -1: they cannot be read. */
  readonly tokens: number
  readonly entries: number
  readonly more: boolean
}

/** Tokens and the audit log belong to no partition, and go with the first one. One call removes 500 of each at most. */
async function trimHome(ctx: ValkeyContext, partition: number, max: number): Promise<TrimmedHome> {
  if (partition !== 0) return { tokens: 0, entries: 0, more: false }
  const most = Math.min(max, limits.scannerBatchMax)
  const { reply } = await ctx.invoke({
    name: 'maintenance_trim_home',
    tag: homeTag,
    args: [most, limits.tokenKeptMs, limits.auditAgeMsMax],
  })
  const [tokens, entries] = reply
  return { tokens, entries, more: tokens >= most || entries >= most }
}
