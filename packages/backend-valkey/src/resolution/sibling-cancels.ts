import {
  checkScanRequest,
  type FlowId,
  limits,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
  type SiblingCancelItem,
  type SiblingReconcileItem,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { finishEnding, MEMBERS_PER_STEP } from '../flows/finish.js'
import { asList } from '../library/as-list.js'
import { isOneItems } from './faults.js'

/** A fired group: its flow, and the UUID of its node. */
interface FiredGroup {
  readonly partition: number
  readonly flowId: FlowId
  readonly node: string
}

/** Carries out pending sibling cancels, one short step for each group. */
export async function drainSiblingCancels(
  ctx: ValkeyContext,
  params: ScanRequest,
): Promise<ScanResult<SiblingCancelItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const max = Math.min(params.max, limits.siblingCancelGroupsMax)
  const pending = await readPendingCancels(ctx, partition, max + 1)
  const items: SiblingCancelItem[] = []
  let membersLeft = limits.siblingCancelMembersMax as number
  let more = pending.length > max
  for (const group of pending.slice(0, max)) {
    if (membersLeft <= 0) return { items, more: true }
    const item = await drainGuarded(ctx, group, membersLeft)
    if (item === undefined) continue
    items.push(item)
    membersLeft -= item.siblings.length
    more ||= item.outcome === 'partial'
  }
  return { items, more }
}

/** Groups of the partition whose losers are to be cancelled. */
export async function readPendingCancels(
  ctx: ValkeyContext,
  partition: number,
  max: number,
): Promise<readonly FiredGroup[]> {
  const { reply } = await ctx.invoke({
    name: 'resolution_pending_cancels',
    tag: `fp:${partition}`,
    args: [max],
  })
  return asList(reply).map(([flow, node]) => ({ partition, flowId: flow as FlowId, node }))
}

async function drainGuarded(
  ctx: ValkeyContext,
  group: FiredGroup,
  membersMax: number,
): Promise<SiblingCancelItem | undefined> {
  try {
    return await drainGroup(ctx, group, membersMax)
  } catch (fault) {
    // The tuple stays, and the next pass goes on.
    if (!isOneItems(fault)) throw fault
    const { partition, flowId, node } = group
    return { outcome: 'error', flowId, downstreamId: makeExecutionId(partition, node), siblings: [] }
  }
}

/**
 * The sibling cancel of one fired group, in steps of bounded size. Whoever else does the same meanwhile only helps. Answers
 * nothing for a group of a flow that is being replayed: its cancels wait.
 */
export async function drainGroup(
  ctx: ValkeyContext,
  { partition, flowId, node }: FiredGroup,
  membersMax: number,
): Promise<SiblingCancelItem | undefined> {
  const item = { flowId, downstreamId: makeExecutionId(partition, node) }
  const siblings: SiblingCancelItem['siblings'][number][] = []
  for (;;) {
    const max = Math.min(MEMBERS_PER_STEP, membersMax - siblings.length)
    const { reply } = await ctx.invoke({
      name: 'resolution_drain_siblings',
      tag: `fp:${partition}`,
      args: [flowId, node, max],
    })
    const [outcome, told] = reply
    if (outcome === 'replaying') return undefined
    // Nothing of the flow is decided until that is over.
    if (outcome === 'ending') await finishEnding(ctx, flowId)
    siblings.push(...asList(told).map((each) => toSibling(partition, each)))
    if (outcome === 'drained') return { ...item, outcome, siblings }
    if (siblings.length >= membersMax) return { ...item, outcome: 'partial', siblings }
  }
}

function toSibling(
  partition: number,
  [id, disposition, via]: readonly [id: string, disposition: string, via: string],
): SiblingCancelItem['siblings'][number] {
  return {
    id: makeExecutionId(partition, id),
    disposition: disposition as SiblingCancelItem['siblings'][number]['disposition'],
    via: via as 'sibling' | 'ancestor',
  }
}

/** Finishes what a crash left of a drain: it decides by what is there, and leaves the dispatcher's work alone. */
export async function reconcileSiblingCancels(
  ctx: ValkeyContext,
  params: ScanRequest,
): Promise<ScanResult<SiblingReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const max = Math.min(params.max, limits.siblingReconcileSampleMax)
  const { reply } = await ctx.invoke({
    name: 'resolution_reconcile_siblings',
    tag: `fp:${partition}`,
    args: [max],
  })
  const items = asList(reply).map(([tuple, outcome]) => ({
    outcome: outcome as SiblingReconcileItem['outcome'],
    tuple: toTuple(partition, tuple),
  }))
  return { items, more: false }
}

/** As the contract writes it: with the partition in the node's id. One that is none stays as it is. */
function toTuple(partition: number, text: string): string {
  return text.replace(/^([0-9a-f-]{36})\|([0-9a-f-]{36})$/, `$1|{fp:${partition}}:$2`)
}
