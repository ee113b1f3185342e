import { type EngineEvent, type EventFilter, engineError, limits, type ReadEvents } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { Position, Positions } from './cursor.js'
import { readEntry } from './stored-events.js'

export interface EventPage {
  readonly events: readonly EngineEvent[]
  readonly positions: Positions
  /** Whether events were left unread. */
  readonly more: boolean
}

type Reader = Pick<ValkeyContext, 'invoke'>

/** What one call reads of a partition at least, and when a filter may hold back most of it. */
const COUNT_MIN = 16
const FILTERED_COUNT = 500
const BYTES_MAX = 131_072

/** Where all partitions begin, or end, as of now. */
export async function readBounds(
  ctx: Reader,
  partitions: readonly number[],
  from: 'oldest' | 'now',
): Promise<Positions> {
  const bounds = await Promise.all(
    partitions.map(async (partition) => {
      const { reply } = await ctx.invoke({ name: 'events_read', tag: `fp:${partition}`, args: [0, 0, 1, 1] })
      const [, first, last, lastAtMs] = reply
      const position = from === 'now' ? { next: last + 1, seenAtMs: lastAtMs } : { next: first, seenAtMs: 0 }
      return [partition, position] as const
    }),
  )
  return new Map(bounds)
}

/**
 * What follows in these partitions: one call each, sent together, then more of those that were read to their end, until the
 * page is full, everything was read or that moment has come. Throws `cursor_expired`.
 */
export async function readPage(
  ctx: Reader,
  params: ReadEvents,
  partitions: readonly number[],
  from: Positions,
  untilMs: number,
): Promise<EventPage> {
  const limit = params.limit ?? limits.pageSizeDefault
  const share = Math.max(COUNT_MIN, Math.ceil(limit / partitions.length) + COUNT_MIN)
  const count = params.filter === undefined ? share : FILTERED_COUNT
  const positions = new Map(from)
  const chosen: EngineEvent[] = []
  const queues = await Promise.all(
    partitions.map((partition) => readQueue(ctx, partition, from.get(partition) ?? start, count)),
  )
  for (;;) {
    const starved = merge(queues, positions, chosen, params, limit)
    if (starved.length === 0) return { events: chosen, positions, more: chosen.length === limit }
    if (performance.now() >= untilMs) return { events: chosen, positions, more: true }
    await Promise.all(
      starved.map(async (place) => {
        const { partition } = queues[place] ?? { partition: 0 }
        queues[place] = await readQueue(ctx, partition, positions.get(partition) ?? start, count)
      }),
    )
  }
}

const start: Position = { next: 1, seenAtMs: 0 }

/** What was read of a partition and not chosen yet. */
interface Queue {
  readonly partition: number
  readonly events: readonly EngineEvent[]
  /** Whether there may be more than was read. */
  readonly isCut: boolean
  /** The next to be chosen. */
  at: number
}

async function readQueue(
  ctx: Reader,
  partition: number,
  { next, seenAtMs }: Position,
  count: number,
): Promise<Queue> {
  const { reply, bytes } = await ctx.invoke({
    name: 'events_read',
    tag: `fp:${partition}`,
    args: [next, seenAtMs, count, BYTES_MAX],
  })
  const [isKept, , , , entries, isAll] = reply
  if (!isKept) {
    throw engineError(
      'cursor_expired',
      `Events of partition ${partition} after the cursor were removed, or the store has lost what it points to`,
    )
  }
  const events = asList(entries).flatMap(([first, atMs, place]) =>
    readEntry({ partition, first, atMs, packed: bytes[place - 1] ?? new Uint8Array() }, next),
  )
  return { partition, events, isCut: !isAll, at: 0 }
}

/**
 * By time among the partitions, by number in each: an order that keeps every promise and reads like a story. Answers the
 * places of those of which more must be read first, since what comes next there may have been before the others'.
 */
function merge(
  queues: readonly Queue[],
  positions: Map<number, Position>,
  chosen: EngineEvent[],
  { namespace, filter }: ReadEvents,
  limit: number,
): readonly number[] {
  while (chosen.length < limit) {
    const starved = queues.flatMap(({ events, isCut, at }, place) =>
      isCut && at >= events.length ? [place] : [],
    )
    if (starved.length > 0) return starved
    const best = earliest(queues)
    const event = best?.events[best.at]
    if (best === undefined || event === undefined) return []
    best.at += 1
    positions.set(best.partition, { next: event.number + 1, seenAtMs: event.atMs })
    if (event.namespace === namespace && passes(event, filter)) chosen.push(event)
  }
  return []
}

function earliest(queues: readonly Queue[]): Queue | undefined {
  let best: Queue | undefined
  let bestAtMs = Number.POSITIVE_INFINITY
  for (const queue of queues) {
    const atMs = queue.events[queue.at]?.atMs ?? Number.POSITIVE_INFINITY
    if (atMs >= bestAtMs) continue
    best = queue
    bestAtMs = atMs
  }
  return best
}

function passes(event: EngineEvent, { executionId, flowId, lane, types }: EventFilter = {}): boolean {
  return (
    (types === undefined || types.includes(event.type)) &&
    (flowId === undefined || ('flowId' in event && event.flowId === flowId)) &&
    (executionId === undefined || ('executionId' in event && event.executionId === executionId)) &&
    (lane === undefined || ('lane' in event && event.lane === lane))
  )
}
