/** An item of a listing that is newest first, ties by UUID descending. */
export interface Listed {
  readonly createdAtMs: number
  readonly uuid: string
}

/** What one look into a partition answered. */
export interface ListingPart<Item extends Listed> {
  /** In the order of the listing. */
  readonly items: readonly Item[]
  /** Nothing comes after these. */
  readonly isEnd: boolean
}

/** A partition's share of a listing: each look goes on where the one before ended, and answers at most so many items. */
export type ListingSource<Item extends Listed> = (want: number) => Promise<ListingPart<Item>>

interface Stream<Item extends Listed> {
  readonly source: ListingSource<Item>
  items: Item[]
  isEnd: boolean
}

/**
 * The first items of several listings as one, and whether more come after them. An item is told when every listing has
 * shown an older one, or has ended. Listings that have to be looked at are looked at together.
 */
export async function mergeListings<Item extends Listed>(
  sources: readonly ListingSource<Item>[],
  limit: number,
): Promise<{ readonly items: readonly Item[]; readonly isMore: boolean }> {
  const streams: Stream<Item>[] = sources.map((source) => ({ source, items: [], isEnd: false }))
  const items: Item[] = []
  // Executions are spread evenly, so that one look at each is usually enough.
  let want = Math.ceil((limit + 1) / Math.max(1, streams.length)) + FIRST_LOOK_MORE
  for (;;) {
    const empty = streams.filter((stream) => stream.items.length === 0 && !stream.isEnd)
    if (empty.length > 0) {
      await Promise.all(empty.map((stream) => refill(stream, want)))
      want = Math.min(limit + 1 - items.length, REFILL_MAX)
      continue
    }
    const next = newest(streams)
    if (next === undefined) return { items, isMore: false }
    if (items.length === limit) return { items, isMore: true }
    const [item] = next.items.splice(0, 1)
    if (item !== undefined) items.push(item)
  }
}

const FIRST_LOOK_MORE = 4
const REFILL_MAX = 100

async function refill<Item extends Listed>(stream: Stream<Item>, want: number): Promise<void> {
  const { items, isEnd } = await stream.source(want)
  stream.items = [...items]
  stream.isEnd = isEnd
}

function newest<Item extends Listed>(streams: readonly Stream<Item>[]): Stream<Item> | undefined {
  let best: Stream<Item> | undefined
  for (const stream of streams) {
    const [item] = stream.items
    const [other] = best?.items ?? []
    if (item !== undefined && (other === undefined || comesBefore(item, other))) best = stream
  }
  return best
}

/** Whether it is told before the other one. */
export function comesBefore(one: Listed, other: Listed): boolean {
  if (one.createdAtMs !== other.createdAtMs) return one.createdAtMs > other.createdAtMs
  return one.uuid > other.uuid
}
