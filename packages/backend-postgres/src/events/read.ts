import {
  checkReadEvents,
  type EngineEvent,
  type EventFilter,
  type EventsPage,
  engineError,
  limits,
  type ReadEvents,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { decodeCursor, encodeCursor, type Positions } from './cursor.js'
import { type EventRow, toEvents } from './event-row.js'

/** What one look reads of a partition at most; its last row may bring some events more. */
const ROWS_PER_PARTITION = 500
/** When a filter may hold back most of them; else a page needs no more than it holds. */
const EVENTS_PER_PARTITION = 1_000
/** How long one call goes on through events that its filter holds back, before it answers an empty page that moved on. */
const SCAN_MS_MAX = 2_000
/** Between two looks of one that waits, should the hints be lost. */
const LOOK_MS_MAX = 1_000

interface HeadRow {
  readonly partition_key: number
  readonly next_number: number
  readonly trimmed_below: number
}

/** Events after a cursor, over all partitions; waits for the first that the filter lets through. */
export async function readEvents(
  ctx: PostgresContext,
  number: () => Promise<void>,
  params: ReadEvents,
): Promise<EventsPage> {
  const counts = await ctx.partitions()
  checkReadEvents(params, counts)
  const partitions = Array.from({ length: counts.flow }, (_, index) => index)
  await number()
  // Where the reading stands is fixed by its first look, so that `now` doesn't move while it waits.
  let from =
    params.cursor === undefined ? await startOf(ctx, params.from) : decodeCursor(params.cursor, counts.flow)
  const startedAt = Date.now()
  const deadline = startedAt + (params.waitMs ?? 0)
  let news = listenForNews(ctx, params.signal)
  try {
    for (;;) {
      const page = await readPage(ctx, params, partitions, from)
      if (typeof page === 'number') {
        // Who begins with the oldest has missed nothing.
        if (params.cursor === undefined && params.from !== 'now') {
          from = await startOf(ctx, params.from)
          continue
        }
        throw engineError('cursor_expired', `Events of partition ${page} after the cursor were removed`)
      }
      const leftMs = deadline - Date.now()
      const isOver = page.more ? Date.now() > startedAt + SCAN_MS_MAX && leftMs <= 0 : leftMs <= 0
      if (page.events.length > 0 || isOver || params.signal?.aborted || ctx.closing.aborted) {
        return { outcome: 'events', events: page.events, cursor: encodeCursor(page.positions) }
      }
      // What the filter held back is behind this reader.
      from = page.positions
      if (!page.more) {
        await news.wait(Math.min(leftMs, LOOK_MS_MAX))
        news.end()
        news = listenForNews(ctx, params.signal)
        await number()
      }
    }
  } finally {
    news.end()
  }
}

async function startOf(ctx: PostgresContext, from: ReadEvents['from']): Promise<Positions> {
  const heads = await ctx.db.query<HeadRow>(
    'select partition_key, next_number, trimmed_below from ff.event_head',
  )
  return new Map(
    heads.map((head) => [head.partition_key, from === 'now' ? head.next_number : head.trimmed_below]),
  )
}

interface EventPage {
  readonly events: readonly EngineEvent[]
  readonly positions: Positions
  /** Whether rows were left unread. */
  readonly more: boolean
}

/** One look at all partitions. A number is a partition of which events behind its position were removed. */
async function readPage(
  ctx: PostgresContext,
  params: ReadEvents,
  partitions: readonly number[],
  from: Positions,
): Promise<EventPage | number> {
  const limit = params.limit ?? limits.pageSizeDefault
  const eventsMax = params.filter === undefined ? limit : EVENTS_PER_PARTITION
  // What was removed is told by the same snapshot as what is left.
  const rows = await ctx.db.query<EventRow & { readonly is_cut: boolean; readonly is_behind: boolean }>(
    `select p.key as partition_key, e.first_number, e.body, e.is_cut, coalesce(h.trimmed_below > p.next, false) as is_behind
     from unnest($1::integer[], $2::bigint[]) as p(key, next)
     left join ff.event_head h on h.partition_key = p.key
     left join lateral (
       select x.first_number, x.body, x.upto >= $4 or x.place = $3 as is_cut from (
         select r.*, sum(r.count) over w as upto, row_number() over w as place from (
           select e.* from ff.event e
           where e.partition_key = p.key and e.first_number >= coalesce((
             select b.first_number from ff.event b where b.partition_key = p.key and b.first_number <= p.next
             order by b.first_number desc limit 1), 0) and e.first_number + e.count > p.next
           order by e.first_number limit $3
         ) r window w as (order by r.first_number rows unbounded preceding)
       ) x where x.upto - x.count < $4
     ) e on true
     where e.first_number is not null or h.trimmed_below > p.next order by p.key, e.first_number`,
    [partitions, partitions.map((index) => from.get(index) ?? 1), ROWS_PER_PARTITION, eventsMax],
  )
  const behind = rows.find(({ is_behind }) => is_behind)
  if (behind !== undefined) return behind.partition_key
  const queues = new Map<number, Queue>()
  for (const row of rows) {
    const events = toEvents(row, from.get(row.partition_key) ?? 1)
    const queue = queues.get(row.partition_key)
    if (queue === undefined) queues.set(row.partition_key, { events, isCut: row.is_cut, at: 0 })
    else {
      queue.events.push(...events)
      queue.isCut = row.is_cut
    }
  }
  return merge(queues, from, params, limit)
}

/** What a look read of a partition. */
interface Queue {
  readonly events: EngineEvent[]
  /** Whether there may be more than was read. */
  isCut: boolean
  /** The next to be chosen. */
  at: number
}

/** By time among the partitions, by number in each: an order that keeps every promise and reads like a story. */
function merge(
  queues: ReadonlyMap<number, Queue>,
  from: Positions,
  { namespace, filter }: ReadEvents,
  limit: number,
): EventPage {
  const positions = new Map(from)
  const chosen: EngineEvent[] = []
  while (chosen.length < limit) {
    let best: { readonly partition: number; readonly queue: Queue; readonly event: EngineEvent } | undefined
    for (const [partition, queue] of queues) {
      const event = queue.events[queue.at]
      // What comes next in this partition has not been read: the others wait, since it may have been before theirs.
      if (event === undefined && queue.isCut) return { events: chosen, positions, more: true }
      if (event !== undefined && (best === undefined || event.atMs < best.event.atMs))
        best = { partition, queue, event }
    }
    if (best === undefined) return { events: chosen, positions, more: false }
    best.queue.at += 1
    positions.set(best.partition, best.event.number + 1)
    if (best.event.namespace === namespace && passes(best.event, filter)) chosen.push(best.event)
  }
  return { events: chosen, positions, more: true }
}

function passes(event: EngineEvent, { executionId, flowId, lane, types }: EventFilter = {}): boolean {
  return (
    (types === undefined || types.includes(event.type)) &&
    (flowId === undefined || ('flowId' in event && event.flowId === flowId)) &&
    (executionId === undefined || ('executionId' in event && event.executionId === executionId)) &&
    (lane === undefined || ('lane' in event && event.lane === lane))
  )
}

/** Remembers news from its beginning on, so that none falls between a look and the wait for the next. */
function listenForNews(ctx: PostgresContext, signal: AbortSignal | undefined) {
  let wake: () => void = () => {}
  const heard = new Promise<void>((resolve) => {
    wake = resolve
  })
  const end = ctx.hints.listen((hint) => {
    if (hint.type === 'events') wake()
  })
  const onAbort = () => wake()
  signal?.addEventListener('abort', onAbort)
  ctx.closing.addEventListener('abort', onAbort)
  return {
    async wait(ms: number) {
      let timer: NodeJS.Timeout | undefined
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms)
      })
      await Promise.race([heard, over])
      clearTimeout(timer)
    },
    end() {
      end()
      signal?.removeEventListener('abort', onAbort)
      ctx.closing.removeEventListener('abort', onAbort)
    },
  }
}
