import {
  type CountExecutions,
  type CountedExecutions,
  checkCountExecutions,
  checkListExecutions,
  countApart,
  type Execution,
  engineError,
  isUuid,
  type ListExecutions,
  limits,
  type Page,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { type ExecutionRow, executionColumns, executionTables, toExecution } from './execution-row.js'
import { addFilter, asksForBadEnds, Conditions } from './filter.js'

/**
 * Newest first, lane by lane along an index, merged. The cursor is the key of the last one told: what existed when the
 * listing began is neither skipped nor told twice.
 */
export async function listExecutions(ctx: PostgresContext, params: ListExecutions): Promise<Page<Execution>> {
  checkListExecutions(params)
  const filter = params.filter ?? {}
  const limit = params.limit ?? limits.pageSizeDefault
  // The same columns are in both tables; which one leads decides the index.
  const key = asksForBadEnds(filter) ? 'e' : 'i'
  const conditions = new Conditions([params.namespace, filter.lane ?? null, limit + 1])
  addFilter(conditions, filter, key)
  if (params.cursor !== undefined) {
    const { createdAtMs, id } = readCursor(params.cursor)
    conditions.add(`(${key}.created_at, ${key}.id) < ($::bigint, $::uuid)`, createdAtMs, id)
  }
  const rows = await ctx.db.query<ExecutionRow>(
    `select page.* from ff.lane l cross join lateral (
       select ${executionColumns} from ${executionTables}
       where ${key}.lane_id = l.id${conditions.text}
       order by ${key}.created_at desc, ${key}.id desc limit $3
     ) page
     where l.namespace = $1 and ($2::text is null or l.name = $2)
     order by page.created_at desc, page.id desc limit $3`,
    conditions.values,
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    items: await Promise.all(page.map((row) => toExecution(row, ctx.catalog))),
    nextCursor: last === undefined || rows.length <= limit ? null : `${last.created_at}.${last.id}`,
  }
}

/** By lane and state alone it is the sum of a few counts; else the rows are counted. */
export async function countExecutions(
  ctx: PostgresContext,
  params: CountExecutions,
): Promise<CountedExecutions> {
  checkCountExecutions(params)
  const { by } = params
  const { lane, states, ...rest } = params.filter ?? {}
  const isByDepth = by !== 'kind' && Object.values(rest).every((value) => value === undefined)
  const rows = isByDepth ? await readDepths(ctx, params) : await countRows(ctx, params)
  if (by !== undefined) return countApart(rows.map(({ name, count }) => [name, count]))
  return { outcome: 'counted', count: rows[0]?.count ?? 0 }
}

interface CountRow {
  readonly name: string
  readonly count: number
}

function readDepths(ctx: PostgresContext, { namespace, filter = {}, by }: CountExecutions) {
  const name = by === undefined ? `''` : by === 'lane' ? 'l.name' : 'd.public_state::text'
  return ctx.db.query<CountRow>(
    `select ${name} as name, coalesce(sum(d.n), 0)::bigint as count from ff.lane l join ff.lane_depth d on d.lane_id = l.id
     where l.namespace = $1 and ($2::text is null or l.name = $2) and ($3::text[] is null or d.public_state::text = any ($3))
     group by 1`,
    [namespace, filter.lane ?? null, filter.states ?? null],
  )
}

function countRows(ctx: PostgresContext, { namespace, filter = {}, by }: CountExecutions) {
  const name = by === undefined ? `''` : { lane: 'l.name', kind: 'i.kind', state: 'e.public_state::text' }[by]
  const conditions = new Conditions([namespace, filter.lane ?? null])
  addFilter(conditions, filter, asksForBadEnds(filter) ? 'e' : 'i')
  return ctx.db.query<CountRow>(
    `select ${name} as name, count(*)::bigint as count from ff.lane l
     join ff.execution e on e.lane_id = l.id
     join ff.execution_info i on i.partition_key = e.partition_key and i.id = e.id and i.lane_id = l.id
     where l.namespace = $1 and ($2::text is null or l.name = $2)${conditions.text}
     group by 1`,
    conditions.values,
  )
}

function readCursor(cursor: string): { readonly createdAtMs: number; readonly id: string } {
  const [createdAtMs = '', id = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(createdAtMs) || !isUuid(id)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(createdAtMs), id }
}
