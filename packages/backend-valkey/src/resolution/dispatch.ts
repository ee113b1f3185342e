import {
  checkEntryId,
  checkScanRequest,
  type DispatchItem,
  type DispatchOutcome,
  type EntryId,
  isEngineError,
  partitionIndexOf,
  type ScanRequest,
  type ScanResult,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { carryOut, carryOutEach, ENTRIES_PER_HOP, postpone, putOff } from './carry-out.js'
import { isOneItems } from './faults.js'
import { type Hop, runHop } from './hop.js'

/** One hop of one entry. */
export async function dispatchCompletion(
  ctx: ValkeyContext,
  params: { readonly entryId: EntryId },
): Promise<DispatchOutcome> {
  checkEntryId(params, await ctx.partitions())
  const partition = partitionIndexOf(params.entryId)
  const id = uuidOf(params.entryId)
  try {
    const hop = await runHop(ctx, { partition, entries: [id], max: 1, edges: ctx.settings.callMaxEdges })
    const [named] = hop.named
    const item = named === undefined ? hop.items[0] : await carryOut(ctx, partition, named)
    return toOutcome(item)
  } catch (fault) {
    if (isEngineError(fault, 'retry_exhausted')) await postpone(ctx, partition, id)
    throw fault
  }
}

/** A settlement moves no edges, but it is work done. */
function toOutcome(item: DispatchItem | undefined): DispatchOutcome {
  switch (item?.outcome) {
    case undefined:
    case 'noop':
      return { outcome: 'noop' }
    case 'advanced': {
      const { outcome, edges, satisfied, impossible, skipped, corrupt } = item
      return { outcome, edges, satisfied, impossible, skipped, corrupt }
    }
    default:
      return { outcome: 'advanced', edges: 0, satisfied: 0, impossible: 0, skipped: 0, corrupt: [] }
  }
}

/** A partition's due entries, and what comes of them, within the bounds of a call: one step for each hop. */
export async function dispatchCompletions(
  ctx: ValkeyContext,
  params: ScanRequest,
): Promise<ScanResult<DispatchItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const items: DispatchItem[] = []
  let edgesLeft = ctx.settings.callMaxEdges
  for (;;) {
    const max = Math.min(params.max - items.length, ENTRIES_PER_HOP)
    const hop = await runHop(ctx, { partition, entries: [], max, edges: edgesLeft }).catch(
      (fault: unknown) => {
        if (!isOneItems(fault)) throw fault
        return undefined
      },
    )
    // One broken record must not hold up the others' entries: each for itself, and the culprits later.
    if (hop === undefined)
      return { items: [...items, ...(await dispatchEach(ctx, partition, max))], more: true }
    items.push(...(await finish(ctx, partition, hop)))
    edgesLeft -= hop.items.reduce((sum, item) => sum + (item.outcome === 'advanced' ? item.edges : 0), 0)
    if (!hop.more) return { items, more: false }
    if (items.length >= params.max || edgesLeft <= 0) return { items, more: true }
  }
}

/** What became of a hop's entries, those included that it only named: messages last, as all stores have it. */
async function finish(ctx: ValkeyContext, partition: number, hop: Hop): Promise<readonly DispatchItem[]> {
  const messages = hop.named.filter(({ kind }) => kind === 'message')
  const others = hop.named.filter(({ kind }) => kind !== 'message')
  return [...hop.items, ...(await carryOutEach(ctx, partition, [...others, ...messages]))]
}

async function dispatchEach(
  ctx: ValkeyContext,
  partition: number,
  max: number,
): Promise<readonly DispatchItem[]> {
  const { reply } = await ctx.invoke({ name: 'resolution_due', tag: `fp:${partition}`, args: [max] })
  const items: DispatchItem[] = []
  for (const id of asList(reply)) items.push(...(await dispatchAlone(ctx, partition, id)))
  return items
}

async function dispatchAlone(
  ctx: ValkeyContext,
  partition: number,
  id: string,
): Promise<readonly DispatchItem[]> {
  try {
    const hop = await runHop(ctx, { partition, entries: [id], max: 1, edges: ctx.settings.callMaxEdges })
    return await finish(ctx, partition, hop)
  } catch (fault) {
    return [await putOff(ctx, partition, id, fault)]
  }
}
