import {
  checkScanRequest,
  type FlowId,
  isEngineError,
  limits,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
  type SiblingCancelItem,
  type SiblingReconcileItem,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { kickDispatch } from './dispatch.js'
import { type DrainedGroup, drainGroup } from './drain-group.js'

interface Tuple {
  readonly flow_id: FlowId
  readonly downstream_id: string
}

/** Carries out pending sibling cancels, one short step for each group. */
export async function drainSiblingCancels(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<SiblingCancelItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const max = Math.min(params.max, limits.siblingCancelGroupsMax)
  const tuples = await oldestTuples(ctx, partition, max + 1)
  const items: SiblingCancelItem[] = []
  let membersLeft = limits.siblingCancelMembersMax as number
  let more = tuples.length > max
  const isInline = ctx.settings.inlineResolveEdges !== 0
  const moving = new Set<FlowId>()
  for (const tuple of tuples.slice(0, max)) {
    if (membersLeft <= 0) return { items, more: true }
    if (moving.has(tuple.flow_id)) {
      more = true
      continue
    }
    const item = await drainOne(ctx, partition, tuple, membersLeft)
    if (item === undefined) continue
    items.push(item)
    membersLeft -= item.siblings.length
    more ||= item.outcome === 'partial'
    // What these ends lead to comes before the flow's next group, as where both are one step.
    if (isInline && item.siblings.some(({ disposition }) => disposition === 'cancelled'))
      moving.add(tuple.flow_id)
  }
  return { items, more }
}

/** Those of one flow in the order in which their nodes were accepted: what one cancels another may have spared. */
function oldestTuples(ctx: PostgresContext, partition: number, max: number): Promise<readonly Tuple[]> {
  return ctx.db.query<Tuple>(
    `select p.flow_id, p.downstream_id
     from (select * from ff.pending_cancel_group where partition_key = $1
           order by enqueued_at, downstream_id limit $2) p
     left join ff.execution e on e.partition_key = p.partition_key and e.id = p.downstream_id
     order by p.flow_id, e.seq`,
    [partition, max],
  )
}

/** Answers nothing for a group of a flow that is being reset: its cancels wait. */
async function drainOne(
  ctx: PostgresContext,
  partition: number,
  tuple: Tuple,
  membersMax: number,
): Promise<SiblingCancelItem | undefined> {
  const key = { flowId: tuple.flow_id, downstreamId: makeExecutionId(partition, tuple.downstream_id) }
  try {
    const { flow_id: flow, downstream_id: downstream } = tuple
    const drain = await drainGroup(ctx, { partition, flow, downstream }, membersMax)
    if (drain === undefined) return undefined
    if (drain.lost.length > 0) kickDispatch(ctx, [partition])
    return {
      ...key,
      outcome: drain.drained ? 'drained' : 'partial',
      siblings: toDispositions(partition, drain),
    }
  } catch (fault) {
    // The tuple stays, and the next pass goes on.
    if (!isEngineError(fault) || fault.kind === 'unavailable' || fault.kind === 'transport') throw fault
    return { ...key, outcome: 'error', siblings: [] }
  }
}

function toDispositions(partition: number, { siblings, lost }: DrainedGroup): SiblingCancelItem['siblings'] {
  const cancelled = new Set(lost.map(({ id }) => id))
  return [
    ...siblings
      .filter(({ id }) => !cancelled.has(id))
      .map(({ id, via, disposition }) => ({ id, via, disposition })),
    ...lost.map(({ id, via }) => ({ id, via, disposition: 'cancelled' as const })),
  ].map((each) => ({ ...each, id: makeExecutionId(partition, each.id) }))
}

/**
 * Finishes what a crash left between the two writes of a drain. It takes only what nobody holds, decides by what is
 * there, and leaves the dispatcher's work alone: a group with a sibling that still runs is not touched.
 */
export async function reconcileSiblingCancels(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<SiblingReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const sample = await ctx.db.query<Tuple>(
    `select flow_id, downstream_id from ff.pending_cancel_group where partition_key = $1 order by random() limit $2`,
    [partition, Math.min(params.max, limits.siblingReconcileSampleMax)],
  )
  const items: SiblingReconcileItem[] = []
  for (const { flow_id, downstream_id } of sample) {
    const tuple = `${flow_id}|${makeExecutionId(partition, downstream_id)}`
    const [row] = await ctx.db.call<{ outcome: SiblingReconcileItem['outcome'] }>(
      'select ff.reconcile_sibling_cancel($1, $2, $3) as outcome',
      [partition, flow_id, downstream_id],
    )
    items.push({ outcome: row?.outcome ?? 'no_op', tuple })
  }
  return { items, more: false }
}
