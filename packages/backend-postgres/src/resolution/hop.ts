import {
  type FlowId,
  type FlowState,
  makeExecutionId,
  makePartitionTag,
  type OutboxMessage,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceReady } from '../leases/after-end.js'

/** An entry that a hop worked on, as `dispatch_entries` tells it. */
export interface HopEntry {
  readonly id: string
  readonly partition: number
  readonly flow: string | null
  readonly execution: string | null
  readonly noop: boolean
  readonly edges: number
  readonly satisfied: number
  readonly impossible: number
  readonly skipped: number
  readonly corrupt: readonly string[] | null
}

/** An entry of another kind, which the hop only names. */
export interface HopOther {
  readonly id: string
  readonly partition: number
  readonly kind: 'flow_settled' | 'seal_release' | 'replay_reset' | OutboxMessage
  /** Null of a message between a parent and a child. */
  readonly flow: string | null
}

/** A member that was ended by other hands than its holder's. */
export interface EndedMember {
  readonly id: string
  readonly partition: number
  readonly wasActive: boolean
}

/** One that was cancelled as the loser of a race, or for having fed only losers. */
export interface LostMember extends EndedMember {
  readonly via: 'sibling' | 'ancestor'
}

export interface FiredGroup {
  readonly partition: number
  readonly flow: FlowId
  readonly downstream: string
}

export interface Hop {
  readonly entries: readonly HopEntry[]
  readonly others: readonly HopOther[]
  readonly settled: readonly { readonly id: FlowId; readonly state: FlowState }[]
  /** Groups that decided, and whose siblings are to be cancelled. */
  readonly fired: readonly FiredGroup[]
  /** Whether due entries are left, or new ones came of it. */
  readonly more: boolean
}

/** The answer of `dispatch_entries`. */
export interface HopAnswer {
  readonly items?: readonly HopEntry[] | null
  readonly others?: readonly HopOther[] | null
  readonly settled?: {
    readonly flows: Hop['settled'] | null
    readonly others: readonly HopOther[] | null
  } | null
  readonly lanes?: readonly number[] | null
  readonly due?: number | null
  readonly lost?: readonly LostMember[] | null
  readonly fired?: readonly FiredGroup[] | null
  /** Partitions with groups whose losers are still to be cancelled. */
  readonly cancels?: readonly number[] | null
  readonly more?: boolean
}

export interface HopRequest {
  readonly partitions: readonly number[]
  /** Only this entry, also before it is due. */
  readonly entry: string | null
  readonly max: number
  /** Whether the caller wants to know what became of each entry. */
  readonly tells?: boolean | undefined
}

const nothing: Hop = { entries: [], others: [], settled: [], fired: [], more: false }

/** One transaction: what is due in the partitions, within the bounds of a call. Tells what it did to whoever listens, after the commit. */
export async function runHop(
  ctx: PostgresContext,
  { partitions, entry, max, tells = true }: HopRequest,
): Promise<Hop> {
  const { hopMaxEdges, callMaxEdges, inlineResolveEdges } = ctx.settings
  const [row] = await ctx.db.call<{ hop: HopAnswer | null }>(
    'select ff.dispatch_entries($1::integer[], $2, $3, $4, $5, $6, $7) as hop',
    // Where nothing is done inline, a settlement is an entry of its own too.
    [partitions, entry, max, hopMaxEdges, callMaxEdges, inlineResolveEdges !== 0, tells],
  )
  return row?.hop === undefined || row.hop === null ? nothing : readHop(ctx, partitions, row.hop)
}

/** Reads what a committed hop did, and tells it to whoever listens. */
export function readHop(ctx: PostgresContext, partitions: readonly number[], answer: HopAnswer): Hop {
  const settled = answer.settled?.flows ?? []
  if (ctx.hints.hasListeners) tellHop(ctx, partitions, answer, settled)
  return {
    entries: answer.items ?? [],
    others: [...(answer.others ?? []), ...(answer.settled?.others ?? [])],
    settled,
    fired: answer.fired ?? [],
    more: answer.more ?? false,
  }
}

function tellHop(
  ctx: PostgresContext,
  partitions: readonly number[],
  answer: HopAnswer,
  settled: Hop['settled'],
): void {
  tellReady(ctx, answer.lanes ?? [])
  for (const { id } of settled) ctx.hints.emit({ type: 'ended', id })
  tellEnded(ctx, answer.lost ?? [])
  for (const index of answer.cancels ?? [])
    ctx.hints.emit({ type: 'outbox', partition: makePartitionTag('flow', index) })
  for (const index of partitions)
    ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', index) })
  if (answer.due === undefined || answer.due === null) return
  for (const index of partitions) {
    ctx.hints.emit({ type: 'due', partition: makePartitionTag('flow', index), dueAtMs: answer.due })
  }
}

/** Says of lanes, one number for each execution, that they may have claimable work. */
export function tellReady(ctx: PostgresContext, laneIds: readonly number[]): void {
  const counts = new Map<number, number>()
  for (const id of laneIds) counts.set(id, (counts.get(id) ?? 0) + 1)
  announceReady(ctx, counts)
}

/** Says of members that were cancelled that they have ended, and to their holders that they should look. */
export function tellEnded(ctx: PostgresContext, ended: readonly EndedMember[]): void {
  for (const { id, partition, wasActive } of ended) {
    const executionId = makeExecutionId(partition, id)
    if (wasActive) ctx.hints.emit({ type: 'attention', executionId })
    ctx.hints.emit({ type: 'ended', id: executionId })
  }
}
