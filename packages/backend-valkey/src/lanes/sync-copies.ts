import {
  checkScanRequest,
  type LaneId,
  type Namespace,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { laneFields as L } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { homeTag } from '../maintenance/prepare.js'
import { noteChange } from './change-lane.js'
import { readHome } from './home.js'
import { splitLaneKey } from './lane-key.js'
import { spreadCopies } from './spread-copies.js'

type SyncedLane = { readonly outcome: 'synced'; readonly namespace: Namespace; readonly lane: LaneId }

/** A change that is not in the home record by then was overtaken by a later one, or will never come: its caller is gone. */
const GIVEN_UP_MS = 60_000

/** Finishes changes of lanes whose callers died. They belong to no partition, and so are the first one's. */
export async function syncCopies(ctx: ValkeyContext, params: ScanRequest): Promise<ScanResult<SyncedLane>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  if (partition !== 0) return { items: [], more: false }
  const { reply, news } = await ctx.invoke({ name: 'lanes_changes', tag: homeTag, args: [params.max] })
  const notes = asList(reply)
  const items: SyncedLane[] = []
  for (const [note, atMs] of notes) {
    const [key = '', change = ''] = note.split(' ')
    const record = await readHome(ctx, key)
    if (record !== undefined) await spreadCopies(ctx, key, record)
    const isFinished = record?.[L.request] === change
    if (!isFinished && news.nowMs - atMs < GIVEN_UP_MS) continue
    await noteChange(ctx, key, change, false)
    const { namespace, name } = splitLaneKey(key)
    if (isFinished) items.push({ outcome: 'synced', namespace, lane: name })
  }
  return { items, more: notes.length === params.max && items.length > 0 }
}
