import {
  checkListFlows,
  createdBefore,
  engineError,
  type Flow,
  isUuid,
  type ListFlows,
  limits,
  type Page,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { Conditions } from '../executions/filter.js'
import { type FlowRow, flowColumns, toFlows } from './flow-row.js'

/** Newest first, by creation and id: a cursor names the last one that was told. */
export async function listFlows(ctx: PostgresContext, params: ListFlows): Promise<Page<Flow>> {
  checkListFlows(params)
  const limit = params.limit ?? limits.pageSizeDefault
  const conditions = new Conditions([params.namespace, limit + 1])
  addFilter(conditions, params)
  if (params.cursor !== undefined) {
    const { createdAtMs, id } = readCursor(params.cursor)
    conditions.add('(f.created_at, f.id) < ($::bigint, $::uuid)', createdAtMs, id)
  }
  const rows = await ctx.db.query<FlowRow>(
    `select ${flowColumns} from ff.flow f where f.namespace = $1${conditions.text}
     order by f.created_at desc, f.id desc limit $2`,
    conditions.values,
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    items: await toFlows(ctx.db, page),
    nextCursor: last === undefined || rows.length <= limit ? null : `${last.created_at}.${last.id}`,
  }
}

function addFilter(
  conditions: Conditions,
  { states, tags, name, createdFromMs, endedFromMs, endedBeforeMs, ...times }: ListFlows,
): void {
  const createdBeforeMs = createdBefore({ ...times, endedBeforeMs })
  if (states !== undefined)
    conditions.add('f.state = any (array(select unnest($::text[])::ff.flow_state))', states)
  if (tags !== undefined) conditions.add('f.tags @> $::jsonb', JSON.stringify(tags))
  if (name !== undefined) conditions.add('f.name = $', name)
  if (createdFromMs !== undefined) conditions.add('f.created_at >= $::bigint', createdFromMs)
  if (createdBeforeMs !== undefined) conditions.add('f.created_at < $::bigint', createdBeforeMs)
  if (endedFromMs !== undefined) conditions.add('f.terminal_at >= $::bigint', endedFromMs)
  if (endedBeforeMs !== undefined) conditions.add('f.terminal_at < $::bigint', endedBeforeMs)
}

function readCursor(cursor: string): { readonly createdAtMs: number; readonly id: string } {
  const [createdAtMs = '', id = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(createdAtMs) || !isUuid(id)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(createdAtMs), id }
}
