import { makeExecutionId, makePartitionTag } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { kickDispatch } from '../resolution/dispatch.js'

/** What the committed end of an attempt, or of an execution, means to those who wait. */
export interface EndFacts {
  readonly partition_key: number
  readonly id: string
  readonly lane_id: number | null
  readonly flow_id: string | null
  readonly is_terminal: boolean
  /** It is claimable again at once. */
  readonly is_eligible: boolean
  readonly due_at?: number | null | undefined
  /** Its holder should look: the lease was taken by others. */
  readonly was_active?: boolean | undefined
}

/** After the commit: dispatches what ended, and tells everyone whom it may concern. Never fails the operation. */
export function announceEnds(
  ctx: PostgresContext,
  ends: readonly EndFacts[],
  {
    isDispatched = false,
    leftMessages = false,
  }: {
    /** Flows' ends were carried on in the same transaction. */
    readonly isDispatched?: boolean | undefined
    /** By what has ended, to its parent or its children. */
    readonly leftMessages?: boolean | undefined
  } = {},
): void {
  ctx.waker.afterEnds(ends.map(({ partition_key, id }) => makeExecutionId(partition_key, id)))
  const outbox = new Set<number>()
  const everySolo = ctx.settings.inlineResolveEdges === 0
  for (const { is_terminal, flow_id, partition_key } of ends) {
    if (is_terminal && (leftMessages || (!isDispatched && (everySolo || flow_id !== null))))
      outbox.add(partition_key)
  }
  if (outbox.size > 0) kickDispatch(ctx, outbox)
  if (!ctx.hints.hasListeners) return

  const readyByLane = new Map<number, number>()
  const dueByPartition = new Map<number, number>()
  const partitions = new Set<number>()
  for (const end of ends) {
    partitions.add(end.partition_key)
    if (end.is_terminal) ctx.hints.emit({ type: 'ended', id: makeExecutionId(end.partition_key, end.id) })
    if (end.was_active === true) {
      ctx.hints.emit({ type: 'attention', executionId: makeExecutionId(end.partition_key, end.id) })
    }
    if (end.is_eligible && end.lane_id !== null) {
      readyByLane.set(end.lane_id, (readyByLane.get(end.lane_id) ?? 0) + 1)
    }
    const due = end.due_at
    if (!end.is_terminal && typeof due === 'number') {
      dueByPartition.set(end.partition_key, Math.min(due, dueByPartition.get(end.partition_key) ?? due))
    }
  }
  announceReady(ctx, readyByLane)
  for (const [partition, dueAtMs] of dueByPartition) {
    ctx.hints.emit({ type: 'due', partition: makePartitionTag('flow', partition), dueAtMs })
  }
  for (const partition of partitions)
    ctx.hints.emit({ type: 'events', partition: makePartitionTag('flow', partition) })
}

/**
 * After a transaction that has locked an execution and left it where it is: a claim that came meanwhile has stepped over it,
 * and whoever waits believes that there is nothing. Never fails the operation.
 */
export async function announceIfClaimable(
  ctx: PostgresContext,
  partition: number,
  id: string,
): Promise<void> {
  if (!ctx.hints.hasListeners) return
  const [row] = await ctx.db
    .query<{ lane: number | null }>('select ff.claimable_lane($1::integer, $2::uuid) as lane', [
      partition,
      id,
    ])
    .catch(() => [])
  announceClaimable(ctx, row?.lane ?? null)
}

/** The same for who has asked in its own statement. */
export function announceClaimable(ctx: PostgresContext, laneId: number | null): void {
  if (laneId !== null && ctx.hints.hasListeners) announceReady(ctx, new Map([[laneId, 1]]))
}

/** Tells waiting claims of work in their lanes. */
export function announceReady(ctx: PostgresContext, countByLane: ReadonlyMap<number, number>): void {
  for (const [laneId, count] of countByLane) {
    if (count <= 0) continue
    ctx.catalog.lane(laneId).then(
      ({ namespace, name }) => ctx.hints.emit({ type: 'ready', namespace, lane: name, count }),
      // A hint only; whoever waits looks again by himself.
      () => {},
    )
  }
}
