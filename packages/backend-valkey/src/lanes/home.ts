import { quotaPartition } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { splitLaneKey } from './lane-key.js'
import { type LaneRecord, requireLaneRecord } from './lane-record.js'

type HomeContext = Pick<ValkeyContext, 'invoke' | 'partitions'>

/** Where the lane's home record and the ledger of its slots are. */
export async function homeTagOf(ctx: Pick<ValkeyContext, 'partitions'>, key: string): Promise<string> {
  const { namespace, name } = splitLaneKey(key)
  const { quota } = await ctx.partitions()
  return `q:${quotaPartition(namespace, name, quota)}`
}

/** Nothing for a lane that was never changed. */
export async function readHome(ctx: HomeContext, key: string): Promise<LaneRecord | undefined> {
  const { namespace, name } = splitLaneKey(key)
  const tag = await homeTagOf(ctx, key)
  const { reply } = await ctx.invoke({ name: 'lanes_read', tag, args: [namespace, name] })
  const [found] = asList(reply)
  return found === undefined ? undefined : requireLaneRecord(found[1], key)
}

/** What stays is '' or -1; what is taken away 0. */
export type HomeChanges = readonly [
  state: string,
  shards: number,
  concurrency: number,
  ageingMs: number,
  weight: number,
  retentionMs: number,
  eventLevel: string,
]

export const unchanged: HomeChanges = ['', -1, -1, -1, -1, -1, '']

/** Writes a change under its name, with a version above that one. */
export async function writeHome(
  ctx: HomeContext,
  key: string,
  change: string,
  changes: HomeChanges,
  above: number,
): Promise<{ readonly previous: string; readonly record: LaneRecord }> {
  const { namespace, name } = splitLaneKey(key)
  const tag = await homeTagOf(ctx, key)
  const { reply } = await ctx.invoke({
    name: 'lanes_write',
    tag,
    args: [namespace, name, change, ...changes, above],
  })
  const [previous, record] = reply
  return { previous, record: requireLaneRecord(record, key) }
}
