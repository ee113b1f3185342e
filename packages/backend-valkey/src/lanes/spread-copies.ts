import type { ValkeyContext } from '../context.js'
import { laneFields as L } from '../generated/layouts.js'
import { tagsOf } from '../maintenance/prepare.js'
import { numberAt, textAt } from '../records/stored-execution.js'
import { homeTagOf, readHome, unchanged, writeHome } from './home.js'
import { splitLaneKey } from './lane-key.js'
import type { LaneRecord } from './lane-record.js'

type CopyContext = Pick<ValkeyContext, 'invoke' | 'partitions'>

const TRIES_MAX = 3

/** Brings every partition's copy up to the home record, or to a later one that somebody else is spreading. */
export async function spreadCopies(ctx: CopyContext, key: string, home: LaneRecord): Promise<void> {
  let record = home
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const ahead = await copyToAll(ctx, key, record)
    if (ahead === undefined) return
    const now = await readHome(ctx, key)
    if (now === undefined || now[L.request] !== record[L.request]) return
    // A fail-over has set the home back: copies have a change that it doesn't know of any more.
    record = (await writeHome(ctx, key, textAt(now, L.request), unchanged, ahead)).record
  }
}

/**
 * After a cap was set or lowered, what runs is counted by the way, and only then the home begins to lend slots: at no
 * moment there are more in use than it knows of. Answers the highest version of copies that have got another change.
 */
async function copyToAll(ctx: CopyContext, key: string, record: LaneRecord): Promise<number | undefined> {
  const { namespace, name } = splitLaneKey(key)
  const { flow } = await ctx.partitions()
  const copies = await Promise.all(
    tagsOf('flow', flow).map(async (tag) => {
      const { reply } = await ctx.invoke({ name: 'lanes_copy', tag, args: [namespace, name, [...record]] })
      return reply
    }),
  )
  const ahead = copies.filter(([, change]) => change !== record[L.request]).map(([version]) => version)
  if (ahead.length > 0) return Math.max(...ahead)
  if (numberAt(record, L.concurrency) === 0) return undefined
  const epoch = numberAt(record, L.epoch)
  const actives = copies.flatMap(([, , , active], index): [number, number][] =>
    active > 0 ? [[index, active]] : [],
  )
  const tag = await homeTagOf(ctx, key)
  await ctx.invoke({ name: 'lanes_open_credit', tag, args: [namespace, name, epoch, actives] })
  return undefined
}
