import { randomBytes } from 'node:crypto'
import type { ConfigureLane, LaneId, LaneState, Namespace } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { homeTag } from '../maintenance/prepare.js'
import { type HomeChanges, writeHome } from './home.js'
import { laneKeyOf } from './lane-key.js'
import type { LaneRecord } from './lane-record.js'
import { spreadCopies } from './spread-copies.js'

export interface LaneChange {
  readonly namespace: Namespace
  readonly lane: LaneId
  readonly state?: LaneState | undefined
  readonly settings?: ConfigureLane['settings'] | undefined
}

/**
 * Changes a lane's home record, then every partition's copy; answers when all have it. What it is about to do is noted
 * first, so that `syncCopies` can finish it.
 */
export async function changeLane(
  ctx: ValkeyContext,
  { namespace, lane, state, settings = {} }: LaneChange,
): Promise<{ readonly previous: string; readonly record: LaneRecord }> {
  const key = laneKeyOf(namespace, lane)
  const change = randomBytes(8).toString('hex')
  const { shards = -1, concurrency = -1, ageingMs = -1, weight = -1, retentionMs = -1, eventLevel } = settings
  const changes: HomeChanges = [
    state ?? '',
    shards,
    concurrency ?? 0,
    ageingMs ?? 0,
    weight,
    retentionMs,
    eventLevel ?? '',
  ]
  await noteChange(ctx, key, change, true)
  const written = await writeHome(ctx, key, change, changes, 0)
  await spreadCopies(ctx, key, written.record)
  await noteChange(ctx, key, change, false)
  return written
}

/** A note is the lane and the name of the change; names of lanes hold no white space. */
export async function noteChange(
  ctx: Pick<ValkeyContext, 'invoke'>,
  key: string,
  change: string,
  isBegun: boolean,
): Promise<void> {
  await ctx.invoke({ name: 'lanes_note_change', tag: homeTag, args: [`${key} ${change}`, isBegun] })
}
