import {
  type ChildEnd,
  type DispatchItem,
  type ExecutionId,
  type FlowId,
  isEngineError,
  isExecutionId,
  judgeChildEnd,
  limits,
  makeEntryId,
  must,
  type Namespace,
  type OutboxMessage,
  partitionIndexOf,
  partitionOfFlow,
  type RecordedOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { cancelFlow } from '../flows/cancel.js'
import { announceClaimable, announceEnds, type EndFacts } from '../leases/after-end.js'
import { messagesSetting } from '../leases/call-with-claims.js'
import { type Moving, type ToJudge, untilJudged, verdictOf } from '../suspensions/judging.js'
import { kickDispatch } from './dispatch.js'
import type { HopOther } from './hop.js'

type ChildId = ExecutionId | FlowId

/** What `leave_message` wrote. */
type Message =
  | {
      readonly kind: 'child_linked'
      readonly namespace: Namespace
      readonly child: ChildId
      readonly parent: ExecutionId
      readonly detached: boolean
    }
  | {
      readonly kind: 'child_watched'
      readonly namespace: Namespace
      readonly child: ChildId
      readonly parent: ExecutionId
    }
  | {
      readonly kind: 'child_ended'
      readonly namespace: Namespace
      readonly child: ChildId
      readonly generation: number
      readonly outcome: RecordedOutcome
    }
  | {
      readonly kind: 'parent_stopped'
      readonly namespace: Namespace
      readonly parent: ExecutionId
      readonly generation: number
    }
  | {
      readonly kind: 'holder_cancelled'
      readonly namespace: Namespace
      readonly execution: ExecutionId
      readonly epoch: number
    }

type Told<Kind extends OutboxMessage> = Extract<Message, { readonly kind: Kind }>

/** An entry of the outbox that is a message. */
export interface MessageEntry extends HopOther {
  readonly kind: OutboxMessage
}

/** Every other entry is a flow's. */
export function isMessage(other: HopOther): other is MessageEntry {
  return other.flow === null
}

/**
 * Carries a message between a parent and a child to as many receivers as one call may reach, each in a step of its own; it
 * goes with the last. Two who carry the same do no harm.
 */
export async function carryMessage(ctx: PostgresContext, entry: MessageEntry): Promise<DispatchItem[]> {
  const entryId = makeEntryId(entry.partition, entry.id)
  const [row] = await ctx.db.query<{ message: Omit<Message, 'kind'> }>(
    'select message from ff.completion_event where partition_key = $1 and id = $2',
    [entry.partition, entry.id],
  )
  if (row === undefined) return [{ outcome: 'noop', entryId }]
  const more = await reach(ctx, entry, { ...row.message, kind: entry.kind } as Message)
  return [{ outcome: 'delivered', entryId, message: entry.kind, more }]
}

/** Answers whether receivers are left. */
async function reach(ctx: PostgresContext, entry: MessageEntry, message: Message): Promise<boolean> {
  switch (message.kind) {
    case 'child_linked':
      await link(ctx, message)
      return drop(ctx, entry)
    case 'child_watched':
      await watch(ctx, message)
      return drop(ctx, entry)
    case 'child_ended':
      return tellWatchers(ctx, entry, message)
    case 'parent_stopped':
      return stopChildren(ctx, entry, message)
    case 'holder_cancelled':
      await cancelHolder(ctx, message)
      return drop(ctx, entry)
  }
}

async function drop(ctx: PostgresContext, { partition, id }: MessageEntry): Promise<false> {
  await ctx.db.call('delete from ff.completion_event where partition_key = $1 and id = $2', [partition, id])
  return false
}

async function link(
  ctx: PostgresContext,
  { parent, namespace, child, detached }: Told<'child_linked'>,
): Promise<void> {
  const [row] = await ctx.db.call<Touched>(
    `select ff.link_child($1::integer, $2::uuid, $3, $4, $5), ${touchedColumns}`,
    [partitionIndexOf(parent), uuidOf(parent), namespace, child, detached],
  )
  tellTouched(ctx, partitionIndexOf(parent), row)
}

/** What a receiver that was locked and left where it is means to others. */
interface Touched {
  readonly claimable: number | null
  /** `left`: there is a message in its partition. */
  readonly messages: string | null
}

/** Of the execution in the first two parameters, behind what has locked it. */
const touchedColumns = `ff.claimable_lane($1::integer, $2::uuid) as claimable, ${messagesSetting} as messages`

function tellTouched(ctx: PostgresContext, partition: number, row: Touched | undefined): void {
  announceClaimable(ctx, row?.claimable ?? null)
  if (row?.messages === 'left') kickDispatch(ctx, [partition])
}

/** It may have ended, or run under another lease, since. */
async function cancelHolder(
  ctx: PostgresContext,
  { execution, namespace, epoch }: Told<'holder_cancelled'>,
): Promise<void> {
  const ended = await ctx.db.call<EndFacts>(
    'select * from ff.cancel_holder($1::integer, $2::uuid, $3, $4::bigint)',
    [partitionIndexOf(execution), uuidOf(execution), namespace, epoch],
  )
  announceEnds(ctx, ended, { leftMessages: true })
}

async function watch(
  ctx: PostgresContext,
  { parent, namespace, child }: Told<'child_watched'>,
): Promise<void> {
  const [partition, , uuid, isFlow] = await placeOf(ctx, child)
  const [row] = await ctx.db.call<Touched & { readonly known: boolean }>(
    `select ff.watch_child($1::integer, $3, $2::uuid, $4, $5, $6) as known, ${touchedColumns}`,
    [partition, uuid, child, isFlow, namespace, parent],
  )
  tellTouched(ctx, partition, row)
  if (row?.known === false)
    await tell(ctx, namespace, parent, { id: child, generation: 0, outcome: 'not_found' })
}

async function tellWatchers(
  ctx: PostgresContext,
  entry: MessageEntry,
  { namespace, child, generation, outcome }: Told<'child_ended'>,
): Promise<boolean> {
  const [row] = await ctx.db.query<{ watchers: readonly ExecutionId[] | null }>(
    'select ff.watchers_to_tell($1::integer, $2, $3::uuid, $4, $5, $6::integer, $7::integer) as watchers',
    [...(await placeOf(ctx, child)), namespace, generation, limits.familyBatchMax],
  )
  const watchers = row?.watchers ?? null
  if (watchers === null) return drop(ctx, entry)
  for (const watcher of watchers) await tell(ctx, namespace, watcher, { id: child, generation, outcome })
  const [left] = await ctx.db.call<{ more: boolean }>(
    'select ff.end_telling($1::integer, $2::uuid, $3, $4::text[]) as more',
    [entry.partition, entry.id, child, watchers],
  )
  return left?.more ?? false
}

async function stopChildren(
  ctx: PostgresContext,
  entry: MessageEntry,
  { namespace, parent, generation }: Told<'parent_stopped'>,
): Promise<boolean> {
  const [row] = await ctx.db.call<{
    stopped: { readonly ended: readonly EndFacts[]; readonly flows: readonly FlowId[] } | null
  }>('select ff.stop_children($1::integer, $2::uuid, $3, $4::integer, $5::integer) as stopped', [
    entry.partition,
    uuidOf(parent),
    namespace,
    generation,
    limits.familyBatchMax,
  ])
  const stopped = row?.stopped ?? null
  if (stopped === null) return drop(ctx, entry)
  announceEnds(ctx, stopped.ended, { leftMessages: true })
  for (const flowId of stopped.flows) {
    await cancelFlow(ctx, { namespace, flowId, policy: 'cancel_all' }).catch((fault) => {
      if (!isEngineError(fault, 'flow_not_found')) throw fault
    })
  }
  const [left] = await ctx.db.call<{ more: boolean }>(
    'select ff.end_stopping($1::integer, $2::uuid, $3::uuid, $4::text[]) as more',
    [entry.partition, entry.id, uuidOf(parent), stopped.flows],
  )
  return left?.more ?? false
}

/** Tells a parent of an end, which resumes it when its condition holds by that. */
async function tell(
  ctx: PostgresContext,
  namespace: Namespace,
  parent: ExecutionId,
  end: ChildEnd,
): Promise<void> {
  const partition = partitionIndexOf(parent)
  let touched: Touched | undefined
  const told = await untilJudged<Moving & { readonly outcome: 'told' }>(
    async (verdict, state) => {
      const [row] = await ctx.db.call<
        Touched & { readonly answer: ToJudge | (Moving & { readonly outcome: 'told' }) }
      >(
        `select ff.hear_of_end($1::integer, $2::uuid, $3, $4, $5::integer, $6, $7::jsonb, $8) as answer, ${touchedColumns}`,
        [
          partition,
          uuidOf(parent),
          namespace,
          end.id,
          end.generation,
          end.outcome,
          verdict === null ? null : JSON.stringify(verdict),
          state,
        ],
      )
      touched = row
      return must(row, 'what became of an end').answer
    },
    (condition, before) => {
      const { state, counted } = judgeChildEnd(condition, before, end)
      const { state: text, ...judged } = verdictOf(condition, state)
      return { verdict: { ...judged, counted }, state: text }
    },
  )
  if (told.moved) announceEnds(ctx, [told.moved])
  else tellTouched(ctx, partition, touched)
}

/** The columns by which the functions find a child: partition, full id, uuid, whether it is a flow. */
async function placeOf(
  ctx: PostgresContext,
  child: ChildId,
): Promise<readonly [partition: number, child: ChildId, uuid: string, isFlow: boolean]> {
  if (isExecutionId(child)) return [partitionIndexOf(child), child, uuidOf(child), false]
  return [partitionOfFlow(child, (await ctx.partitions()).flow), child, child, true]
}
