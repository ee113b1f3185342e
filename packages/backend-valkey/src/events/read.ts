import { checkReadEvents, type EventsPage, type ReadEvents } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { decodeCursor, encodeCursor, type Positions } from './cursor.js'
import { listenForGrowth } from './news.js'
import { type EventPage, readBounds, readPage } from './read-page.js'

/** How long one call goes on through events that its filter holds back, before it answers an empty page that moved on. */
const SCAN_MS_MAX = 2_000
/** Between two looks at everything of one that waits, should hints be lost; longer the longer nothing came. */
const LOOK_MS_MIN = 1_000
const LOOK_MS_MAX = 10_000

/** Events after a cursor, over all partitions; waits for the first that the filter lets through. */
export async function readEvents(ctx: ValkeyContext, params: ReadEvents): Promise<EventsPage> {
  const counts = await ctx.partitions()
  checkReadEvents(params, counts)
  const all = Array.from({ length: counts.flow }, (_, index) => index)
  const startedAt = performance.now()
  const endsAt = startedAt + (params.waitMs ?? 0)
  // Others' hints are heard only where somebody waits for them.
  if (endsAt > startedAt) await ctx.readyMap()
  const news = listenForGrowth(ctx, params.signal)
  let lookMs = LOOK_MS_MIN
  try {
    // Where the reading stands is fixed by its first look, so that `now` doesn't move while it waits.
    let from = await startOf(ctx, params, all)
    let asked: readonly number[] = all
    for (;;) {
      const page = await readPage(ctx, params, asked, from, Math.max(startedAt + SCAN_MS_MAX, endsAt))
      const leftMs = endsAt - performance.now()
      const isOver = leftMs <= 0 && (!page.more || performance.now() > startedAt + SCAN_MS_MAX)
      if (page.events.length > 0 || isOver || params.signal?.aborted || ctx.closing.aborted)
        return answer(page)
      // What the filter held back is behind this reader.
      from = page.positions
      if (page.more) continue
      await news.wait(Math.min(leftMs, lookMs))
      asked = news.take()
      if (asked.length > 0) continue
      asked = all
      lookMs = Math.min(lookMs * 2, LOOK_MS_MAX)
    }
  } finally {
    news.end()
  }
}

/** A partition that the cursor doesn't name is read from its first event. */
async function startOf(
  ctx: ValkeyContext,
  { cursor, from = 'oldest' }: ReadEvents,
  all: readonly number[],
): Promise<Positions> {
  if (cursor === undefined) return readBounds(ctx, all, from)
  const positions = decodeCursor(cursor, all.length)
  const missing = all.filter((partition) => !positions.has(partition))
  if (missing.length === 0) return positions
  return new Map([...positions, ...(await readBounds(ctx, missing, 'oldest'))])
}

function answer({ events, positions }: EventPage): EventsPage {
  return { outcome: 'events', events, cursor: encodeCursor(positions) }
}
