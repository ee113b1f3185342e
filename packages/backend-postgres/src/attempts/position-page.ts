import { engineError, limits, type Page, type PageRequest } from '@flowfabric/core'

/** A page of a list that only grows at its end: the cursor is the position where the next one begins. */
export interface PositionPage {
  readonly offset: number
  readonly limit: number
}

/** Throws `invalid_cursor`. */
export function readPositionPage({ cursor, limit = limits.pageSizeDefault }: PageRequest): PositionPage {
  if (cursor === undefined) return { offset: 0, limit }
  if (!/^p\d{1,9}$/.test(cursor)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { offset: Number(cursor.slice(1)), limit }
}

/** `found` holds one more than the page when there is a next one. */
export function toPositionPage<Item>(found: readonly Item[], { offset, limit }: PositionPage): Page<Item> {
  const hasMore = found.length > limit
  return { items: hasMore ? found.slice(0, limit) : found, nextCursor: hasMore ? `p${offset + limit}` : null }
}
