import {
  checkEntryId,
  checkScanRequest,
  type DispatchItem,
  type DispatchOutcome,
  type EngineError,
  type EntryId,
  engineError,
  type FlowId,
  isEngineError,
  limits,
  makeEntryId,
  makeExecutionId,
  makePartitionTag,
  partitionIndexOf,
  type ScanRequest,
  type ScanResult,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { advanceReset } from '../flows/reset.js'
import { releaseRoots } from '../flows/seal.js'
import { carryMessage, isMessage, type MessageEntry } from './carry-message.js'
import { drainGroup } from './drain-group.js'
import { type Hop, type HopAnswer, type HopEntry, type HopOther, readHop, runHop } from './hop.js'
import { settleFlow } from './settle.js'

/** Entries of one call at most, whatever a scanner asks for. */
const ENTRIES_PER_HOP = 256

/** Messages that one process carries at the same time. */
const CARRIERS_MAX = 4

/** One hop of one entry. */
export async function dispatchCompletion(
  ctx: PostgresContext,
  params: { readonly entryId: EntryId },
): Promise<DispatchOutcome> {
  checkEntryId(params, await ctx.partitions())
  const partition = partitionIndexOf(params.entryId)
  const hop = await runHop(ctx, { partitions: [partition], entry: uuidOf(params.entryId), max: 1 }).catch(
    async (fault) => {
      if (isEngineError(fault, 'retry_exhausted')) await postpone(ctx, partition, uuidOf(params.entryId))
      throw fault
    },
  )
  const carried: DispatchItem[] = []
  for (const other of hop.others) carried.push(...(await carryOut(ctx, other)))
  const isDelivered = carried.some(({ outcome }) => outcome === 'delivered')
  if (isDelivered)
    return { outcome: 'advanced', edges: 0, satisfied: 0, impossible: 0, skipped: 0, corrupt: [] }
  const [entry] = hop.entries
  return entry === undefined || entry.noop ? { outcome: 'noop' } : toAdvanced(entry)
}

/** A partition's due entries, and what comes of them, within the bounds of a call: one transaction for each hop. */
export async function dispatchCompletions(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<DispatchItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const items: DispatchItem[] = []
  let edgesLeft = ctx.settings.callMaxEdges
  for (;;) {
    const max = Math.min(params.max - items.length, ENTRIES_PER_HOP)
    const hop = await runHop(ctx, { partitions: [partition], entry: null, max }).catch((fault) => {
      if (!isOneEntrys(fault)) throw fault
      return undefined
    })
    // One locked group or broken record must not hold up the others' entries: each for itself, and the culprits later.
    if (hop === undefined)
      return { items: [...items, ...(await dispatchEach(ctx, partition, max))], more: true }
    items.push(...(await toItems(ctx, hop)))
    edgesLeft -= hop.entries.reduce((sum, { edges }) => sum + edges, 0)
    // A message may have further receivers, or have led to others.
    const isDone = !hop.more && !hop.others.some(isMessage)
    if (isDone) return { items, more: false }
    if (items.length >= params.max || edgesLeft <= 0) return { items, more: true }
  }
}

/** Messages last, as all stores have it. */
async function toItems(ctx: PostgresContext, hop: Hop): Promise<DispatchItem[]> {
  const items: DispatchItem[] = hop.entries.map(toItem)
  for (const { id, state } of hop.settled) items.push({ outcome: 'settled', flowId: id, flowState: state })
  const messages = hop.others.filter(isMessage)
  const others = hop.others.filter((other) => !isMessage(other))
  for (const other of [...others, ...messages]) items.push(...(await carryOutGuarded(ctx, other)))
  return items
}

async function dispatchEach(ctx: PostgresContext, partition: number, max: number): Promise<DispatchItem[]> {
  const due = await ctx.db.query<{ id: string }>(
    `select id from ff.completion_event where partition_key = $1 and available_at <= ff.now_ms()
     order by available_at, seq limit $2`,
    [partition, max],
  )
  const items: DispatchItem[] = []
  for (const { id } of due) items.push(...(await dispatchAlone(ctx, partition, id)))
  return items
}

async function dispatchAlone(ctx: PostgresContext, partition: number, id: string): Promise<DispatchItem[]> {
  try {
    return await toItems(ctx, await runHop(ctx, { partitions: [partition], entry: id, max: 1 }))
  } catch (fault) {
    return [await putOff(ctx, partition, id, fault)]
  }
}

/** What became of an entry that could not be carried out: it stays, and is taken again later. */
async function putOff(
  ctx: PostgresContext,
  partition: number,
  id: string,
  fault: unknown,
): Promise<DispatchItem> {
  if (!isOneEntrys(fault)) throw fault
  const entryId = makeEntryId(partition, id)
  const failures = await postpone(ctx, partition, id)
  if (fault.code === 'retry_exhausted') return { outcome: 'retry_exhausted', entryId, failures }
  return { outcome: 'error', entryId, code: fault.code, message: fault.message }
}

/** A store that isn't there is no entry's fault. */
function isOneEntrys(fault: unknown): fault is EngineError {
  return isEngineError(fault) && fault.kind !== 'unavailable' && fault.kind !== 'transport'
}

/** Puts an entry off, longer each time, up to a minute. It stays in the outbox for ever. */
async function postpone(ctx: PostgresContext, partition: number, id: string): Promise<number> {
  const [row] = await ctx.db.call<{ failures: number }>(
    `update ff.completion_event set failures = failures + 1,
       available_at = greatest(available_at, ff.now_ms() + least(60000, 100 * 2 ^ least(failures, 10))::bigint)
     where partition_key = $1 and id = $2 returning failures`,
    [partition, id],
  )
  return row?.failures ?? 0
}

/** What an entry of another kind than a completion asks for. Each step looks again under the flow's lock. */
export async function carryOut(ctx: PostgresContext, other: HopOther): Promise<DispatchItem[]> {
  const flowId = other.flow as FlowId
  switch (other.kind) {
    case 'child_linked':
    case 'child_watched':
    case 'child_ended':
    case 'parent_stopped':
    case 'holder_cancelled':
      return carryMessage(ctx, { ...other, kind: other.kind })
    case 'flow_settled': {
      const state = await settleFlow(ctx, other.partition, flowId, other.id)
      return state === undefined ? [] : [{ outcome: 'settled', flowId, flowState: state }]
    }
    case 'seal_release':
      return [
        { outcome: 'released', flowId, members: await releaseRoots(ctx, other.partition, flowId, other.id) },
      ]
    case 'replay_reset':
      return [
        { outcome: 'reset', flowId, members: await advanceReset(ctx, other.partition, flowId, other.id) },
      ]
    default:
      throw engineError('corruption', `An outbox entry of an unknown kind: ${String(other.kind)}`, {
        subject: 'completion_event',
        raw: String(other.kind),
      })
  }
}

/** One entry that can't be carried out leaves the others of its pass unharmed. */
async function carryOutGuarded(ctx: PostgresContext, other: HopOther): Promise<DispatchItem[]> {
  try {
    return await carryOut(ctx, other)
  } catch (fault) {
    return [await putOff(ctx, other.partition, other.id, fault)]
  }
}

function toAdvanced({ edges, satisfied, impossible, skipped, corrupt }: HopEntry) {
  return { outcome: 'advanced' as const, edges, satisfied, impossible, skipped, corrupt: corrupt ?? [] }
}

function toItem(entry: HopEntry): DispatchItem {
  const entryId = makeEntryId(entry.partition, entry.id)
  if (entry.noop) return { outcome: 'noop', entryId }
  return {
    ...toAdvanced(entry),
    entryId,
    flowId: entry.flow as FlowId | null,
    executionId: entry.execution === null ? null : makeExecutionId(entry.partition, entry.execution),
  }
}

interface Kicker {
  readonly pending: Set<number>
  /** Hops that are committed, and what they left to do. */
  readonly done: DoneHop[]
  running: boolean
  /** Messages that wait for a carrier. */
  readonly messages: MessageEntry[]
  /** All that were named and are not carried yet, by their ids. */
  readonly carrying: Set<string>
  carriers: number
}

interface DoneHop {
  readonly partitions: readonly number[]
  readonly hop: Hop
}

const kickers = new WeakMap<PostgresContext, Kicker>()

/**
 * Dispatches, without waiting, what has just been committed to these partitions' outboxes. Kicks that come meanwhile
 * join the next hop, so that many ends make few transactions. A hop that fails is left to the sweeps.
 */
export function kickDispatch(ctx: PostgresContext, partitions: Iterable<number>): void {
  if (!ctx.settings.dispatchInProcess) {
    hintOutbox(ctx, partitions)
    return
  }
  const kicker = kickerOf(ctx)
  for (const partition of partitions) kicker.pending.add(partition)
  if (!kicker.running) void runKicker(ctx, kicker)
}

/** Goes on from a hop that was committed together with the ends that led to it. */
export function followHop(ctx: PostgresContext, partitions: readonly number[], answer: HopAnswer): void {
  const hop = readHop(ctx, partitions, answer)
  if (hop.others.length === 0 && hop.fired.length === 0 && !hop.more) return
  if (!ctx.settings.dispatchInProcess) {
    hintOutbox(ctx, partitions)
    return
  }
  const kicker = kickerOf(ctx)
  kicker.done.push({ partitions, hop })
  if (!kicker.running) void runKicker(ctx, kicker)
}

function kickerOf(ctx: PostgresContext): Kicker {
  let kicker = kickers.get(ctx)
  if (kicker === undefined) {
    kicker = {
      pending: new Set(),
      done: [],
      running: false,
      messages: [],
      carrying: new Set(),
      carriers: 0,
    }
    kickers.set(ctx, kicker)
  }
  return kicker
}

async function runKicker(ctx: PostgresContext, kicker: Kicker): Promise<void> {
  kicker.running = true
  try {
    while (kicker.pending.size + kicker.done.length > 0 && !ctx.closing.aborted) {
      const done = kicker.done.shift()
      const partitions = done?.partitions ?? [...kicker.pending].sort((a, b) => a - b)
      if (done === undefined) kicker.pending.clear()
      try {
        const hop =
          done?.hop ?? (await runHop(ctx, { partitions, entry: null, max: ENTRIES_PER_HOP, tells: false }))
        for (const other of hop.others) if (!isMessage(other)) await carryOutGuarded(ctx, other)
        carryAside(ctx, kicker, hop.others.filter(isMessage))
        for (const group of hop.fired) {
          const drain = await drainGroup(ctx, group, limits.siblingCancelMembersMax)
          if (drain !== undefined && drain.lost.length > 0) kicker.pending.add(group.partition)
        }
        if (hop.more) for (const partition of partitions) kicker.pending.add(partition)
      } catch {
        // Whatever it was, nothing is lost: the entries are where they were, and the sweep reports what it meets.
        hintOutbox(ctx, partitions)
      }
    }
  } finally {
    kicker.running = false
  }
}

/**
 * Messages wait for round trips, not for each other, and what is committed meanwhile waits for none of them. They stay in
 * the outbox until they are carried, so the next hop may name them again.
 */
function carryAside(ctx: PostgresContext, kicker: Kicker, entries: readonly MessageEntry[]): void {
  const fresh = entries.filter(({ id }) => !kicker.carrying.has(id))
  if (fresh.length === 0) return
  for (const { id } of fresh) kicker.carrying.add(id)
  kicker.messages.push(...fresh)
  while (kicker.messages.length > 0 && kicker.carriers < CARRIERS_MAX) void carryOn(ctx, kicker)
}

async function carryOn(ctx: PostgresContext, kicker: Kicker): Promise<void> {
  kicker.carriers += 1
  for (let entry = kicker.messages.shift(); entry !== undefined; entry = kicker.messages.shift()) {
    try {
      const [item] = ctx.closing.aborted ? [] : await carryOutGuarded(ctx, entry)
      if (item?.outcome === 'delivered' && item.more) kickDispatch(ctx, [entry.partition])
    } catch {
      hintOutbox(ctx, [entry.partition])
    }
    kicker.carrying.delete(entry.id)
  }
  kicker.carriers -= 1
}

function hintOutbox(ctx: PostgresContext, partitions: Iterable<number>): void {
  if (!ctx.hints.hasListeners) return
  for (const index of partitions)
    ctx.hints.emit({ type: 'outbox', partition: makePartitionTag('flow', index) })
}
