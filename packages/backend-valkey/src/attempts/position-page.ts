import { engineError, limits, type Page, type PageRequest } from '@flowfabric/core'

/** Items of a list that only grows at its end: from a position on at most so many, or fewer; and how many there are. */
export type ReadFrom<Item> = (
  from: number,
  limit: number,
) => Promise<{ readonly items: readonly Item[]; readonly total: number }>

/**
 * A page of such a list: the cursor is the position where the next one begins. Long items come in several calls. Throws
 * `invalid_cursor`.
 */
export async function readPage<Item>(request: PageRequest, read: ReadFrom<Item>): Promise<Page<Item>> {
  const { offset, limit } = readPosition(request)
  const items: Item[] = []
  let total = 0
  do {
    const part = await read(offset + items.length, limit - items.length)
    items.push(...part.items)
    total = part.total
    if (part.items.length === 0) break
  } while (items.length < limit && offset + items.length < total)
  const end = offset + items.length
  return { items, nextCursor: items.length > 0 && end < total ? `p${end}` : null }
}

function readPosition({ cursor, limit = limits.pageSizeDefault }: PageRequest): {
  readonly offset: number
  readonly limit: number
} {
  if (cursor === undefined) return { offset: 0, limit }
  if (!/^p\d{1,9}$/.test(cursor)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { offset: Number(cursor.slice(1)), limit }
}
