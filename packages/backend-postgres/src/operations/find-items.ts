import {
  createdBefore,
  engineError,
  type FindItems,
  type FlowId,
  type FoundItems,
  isUuid,
  makeExecutionId,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { addFilter, asksForBadEnds, Conditions } from '../executions/filter.js'

interface Row {
  readonly partition_key: number
  readonly id: string
  readonly created_at: number
  readonly generation: number
  readonly flow_id: FlowId | null
  readonly matches: boolean
}

/**
 * One look at the listing, all lanes as one: so many executions that were created by the bound are looked at, and those that
 * match are told. Where few match, a look finds none, but it ends in time.
 */
export async function findItems(ctx: PostgresContext, params: FindItems): Promise<FoundItems> {
  const { filter, max } = params
  const rows = await ctx.db.query<Row>(...lookAt(params))
  const matching = rows.filter(({ matches }) => matches)
  const items = matching.slice(0, max).map(({ partition_key, id, generation, flow_id }) => ({
    id: makeExecutionId(partition_key, id),
    generation,
    flowId: flow_id,
  }))
  // What a flow or a search by tag holds was asked for at once.
  const isCut = matching.length > max
  const last = isCut ? matching[max - 1] : rows.at(-1)
  const isEnd = last === undefined || (!isCut && rows.length < LOOK_MAX)
  if (filter.states?.length === 0) return { items: [], place: null }
  return { items, place: isEnd ? null : `${last.created_at}.${last.id}` }
}

function lookAt({ namespace, filter, boundsMs, hasEnded, budgetId, place }: FindItems) {
  const boundMs = Math.max(...boundsMs)
  const { lane, createdFromMs, createdBeforeMs: _, flowId, ...judgedBy } = filter
  const walk = new Conditions([namespace, lane ?? null, LOOK_MAX])
  // The same columns are in both tables; which one leads decides the index.
  const isByFlow = flowId !== undefined
  const isByEnd = asksForBadEnds(filter)
  const key = isByFlow || isByEnd || budgetId !== null ? 'e' : 'i'
  if (isByFlow) walk.add('e.flow_id = $::uuid', flowId)
  if (isByEnd) walk.add(`e.terminal_outcome in ('failed', 'cancelled', 'expired')`)
  if (budgetId !== null) walk.add(`e.has_demands and e.terminal_outcome = 'none'`)
  walk.add(`${key}.created_at <= $::bigint`, Math.min(boundMs, (createdBefore(filter) ?? boundMs + 1) - 1))
  if (createdFromMs !== undefined) walk.add(`${key}.created_at >= $::bigint`, createdFromMs)
  if (place !== null) {
    const { createdAtMs, id } = readPlace(place)
    walk.add(`(${key}.created_at, ${key}.id) < ($::bigint, $::uuid)`, createdAtMs, id)
  }
  const from =
    key === 'i'
      ? 'ff.execution_info i join ff.execution e on e.partition_key = i.partition_key and e.id = i.id'
      : 'ff.execution e join ff.execution_info i on i.partition_key = e.partition_key and i.id = e.id'
  const walked = walk.text
  const judged = new Conditions(walk.values)
  addFilter(judged, { ...judgedBy, flowId }, key)
  if (budgetId !== null)
    judged.add(`exists (select from jsonb_array_elements(i.demands -> 'b') b where b ->> 0 = $)`, budgetId)
  if (hasEnded) judged.add('e.terminal_at <= $::bigint', boundMs)
  const text = `select page.partition_key, page.id, page.created_at, page.generation, page.flow_id, page.matches
    from ff.lane l cross join lateral (
      select e.partition_key, e.id, e.created_at, e.generation, e.flow_id, coalesce((true${judged.text}), false) as matches
      from ${from} where ${key}.lane_id = l.id${walked}
      order by ${key}.created_at desc, ${key}.id desc limit $3
    ) page
    where l.namespace = $1 and ($2::text is null or l.name = $2)
    order by page.created_at desc, page.id desc limit $3`
  return [text, judged.values] as const
}

function readPlace(place: string): { readonly createdAtMs: number; readonly id: string } {
  const [createdAtMs = '', id = ''] = place.split('.')
  if (/^\d{1,15}$/.test(createdAtMs) && isUuid(id)) return { createdAtMs: Number(createdAtMs), id }
  throw engineError('corruption', 'The stored place of a bulk operation does not decode', { subject: place })
}

/** Executions of one look. */
const LOOK_MAX = 500
