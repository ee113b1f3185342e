import {
  checkListFlows,
  engineError,
  type Flow,
  isUuid,
  type ListFlows,
  limits,
  type Page,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { type FlowRow, flowColumns, toFlows } from './flow-row.js'

/** Newest first, by creation and id: a cursor names the last one that was told. */
export async function listFlows(ctx: PostgresContext, params: ListFlows): Promise<Page<Flow>> {
  checkListFlows(params)
  const limit = params.limit ?? limits.pageSizeDefault
  const after = params.cursor === undefined ? undefined : readCursor(params.cursor)
  const rows = await ctx.db.query<FlowRow>(
    `select ${flowColumns} from ff.flow f
     where f.namespace = $1 and ($2::text[] is null or f.state::text = any($2)) and ($3::jsonb is null or f.tags @> $3)
       and ($4::bigint is null or (f.created_at, f.id) < ($4, $5::uuid))
     order by f.created_at desc, f.id desc limit $6`,
    [
      params.namespace,
      params.states ?? null,
      params.tags === undefined ? null : JSON.stringify(params.tags),
      after?.createdAtMs ?? null,
      after?.id ?? null,
      limit + 1,
    ],
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    items: await toFlows(ctx.db, page),
    nextCursor: last === undefined || rows.length <= limit ? null : `${last.created_at}.${last.id}`,
  }
}

function readCursor(cursor: string): { readonly createdAtMs: number; readonly id: string } {
  const [createdAtMs = '', id = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(createdAtMs) || !isUuid(id)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(createdAtMs), id }
}
