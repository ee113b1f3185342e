import { engineError, limits, type Page, type PageRequest, uuidOf } from '@flowfabric/core'
import type { BudgetRecord, ExecutionRecord, FlowRecord, QuotaRecord } from './records.js'

type Listed = ExecutionRecord | FlowRecord | BudgetRecord | QuotaRecord

/** A page of a list that only grows at its end: the cursor is a position. */
export function pageByPosition<Item>(items: readonly Item[], request: PageRequest): Page<Item> {
  const start = request.cursor === undefined ? 0 : readPosition(request.cursor)
  const end = start + (request.limit ?? limits.pageSizeDefault)
  return { items: items.slice(start, end), nextCursor: end < items.length ? `p${end}` : null }
}

function readPosition(cursor: string): number {
  if (!/^p[0-9]{1,15}$/.test(cursor)) throw invalidCursor()
  return Number(cursor.slice(1))
}

/** A page of what is listed newest first, ties by UUID descending: the cursor is the last item's key. */
export function pageNewestFirst<Item extends Listed>(
  items: readonly Item[],
  request: PageRequest,
): Page<Item> {
  const sorted = [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? 1 : -1))
  const after = request.cursor === undefined ? undefined : readKey(request.cursor)
  const rest = after === undefined ? sorted : sorted.filter((item) => keyOf(item) < after)
  const page = rest.slice(0, request.limit ?? limits.pageSizeDefault)
  const last = page.at(-1)
  return {
    items: page,
    nextCursor: last === undefined || page.length === rest.length ? null : `n${keyOf(last)}`,
  }
}

function keyOf(item: Listed): string {
  const uuid = item.id.startsWith('{') ? uuidOf(item.id as ExecutionRecord['id']) : item.id
  return `${String(item.createdAtMs).padStart(15, '0')}:${uuid}`
}

function readKey(cursor: string): string {
  if (!/^n[0-9]{15}:[0-9a-f-]{36}$/.test(cursor)) throw invalidCursor()
  return cursor.slice(1)
}

export function invalidCursor() {
  return engineError('invalid_cursor', 'the cursor is malformed, or belongs to another listing')
}
