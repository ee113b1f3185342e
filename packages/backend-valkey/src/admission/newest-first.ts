import { engineError, isUuid, limits, type Page, type PageRequest } from '@flowfabric/core'
import { asList } from '../library/as-list.js'

interface Placed {
  readonly id: string
  readonly createdAtMs: number
}

/** A page of what lies in several partitions, newest first; of the same time the higher id first. */
export async function pageNewestFirst<Item extends Placed>(
  { cursor, limit = limits.pageSizeDefault }: PageRequest,
  tags: readonly string[],
  read: (tag: string, createdAtMs: number, id: string, max: number) => Promise<readonly Item[]>,
): Promise<Page<Item>> {
  const start = cursor === undefined ? beforeAll : readCursor(cursor)
  const found = await Promise.all(tags.map((tag) => read(tag, start.createdAtMs, start.id, limit + 1)))
  const sorted = found.flatMap((items) => asList(items)).sort(byNewest)
  const items = sorted.slice(0, limit)
  const last = items.at(-1)
  const nextCursor = sorted.length > limit && last !== undefined ? `${last.createdAtMs}.${last.id}` : null
  return { items, nextCursor }
}

const beforeAll: Placed = { createdAtMs: 0, id: '' }

function byNewest(a: Placed, b: Placed): number {
  return b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1)
}

function readCursor(cursor: string): Placed {
  const [atMs = '', id = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(atMs) || !isUuid(id)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(atMs), id }
}
