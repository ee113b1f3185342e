import {
  asksForEnded,
  checkListFlows,
  createdBefore,
  engineError,
  type Flow,
  type FlowId,
  isUuid,
  type ListFlows,
  limits,
  type Page,
  terminalFlowStates,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { ANY_TIME } from '../executions/filter.js'
import { type ListingSource, mergeListings } from '../executions/merge-listing.js'
import { flowFields as F } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { numberAt } from '../records/stored-execution.js'
import { writeFlowState } from './flow-letters.js'
import { describeFlow } from './read-flow.js'
import { readStoredFlow, type StoredFlow } from './stored-flow.js'

interface ListedFlow {
  readonly uuid: FlowId
  readonly createdAtMs: number
  readonly flow: StoredFlow
}

interface Position {
  readonly atMs: number
  /** '' stands before all of that time. */
  readonly id: string
}

/** Newest first, by creation and id, over all partitions: a cursor names the last one that was told. */
export async function listFlows(ctx: ValkeyContext, params: ListFlows): Promise<Page<Flow>> {
  checkListFlows(params)
  const start = positionOf(params)
  if (params.states?.length === 0) return { items: [], nextCursor: null }
  const { flow: count } = await ctx.partitions()
  const sources = Array.from({ length: count }, (_, index) => sourceOf(ctx, params, `fp:${index}`, start))
  const { items, isMore } = await mergeListings(sources, params.limit ?? limits.pageSizeDefault)
  const last = items.at(-1)
  return {
    items: await Promise.all(items.map(({ uuid, flow }) => describeFlow(ctx, uuid, flow))),
    nextCursor: isMore && last !== undefined ? `${last.createdAtMs}.${last.uuid}` : null,
  }
}

/** Where the page before ended, or where the filter begins, whichever comes later in the listing. */
function positionOf(params: ListFlows): Position {
  const first: Position = { atMs: createdBefore(params) ?? Number.MAX_SAFE_INTEGER, id: '' }
  if (params.cursor === undefined) return first
  const after = readCursor(params.cursor)
  return after.atMs < first.atMs ? after : first
}

/** A partition's share. Each look examines a bounded number of flows, so one may find none and not be the last. */
function sourceOf(
  ctx: ValkeyContext,
  params: ListFlows,
  tag: string,
  start: Position,
): ListingSource<ListedFlow> {
  const { namespace, states = [], tags = {}, name = '', createdFromMs = 0 } = params
  const { endedFromMs = ANY_TIME, endedBeforeMs = ANY_TIME } = params
  const classes = [...classesOf(states)].filter((each) => each !== 'open' || !asksForEnded(params))
  let position = start
  return async (want) => {
    const { reply, bytes } = await ctx.invoke({
      name: 'flows_list',
      tag,
      args: [
        namespace,
        classes,
        position.atMs,
        position.id,
        createdFromMs,
        want,
        states.map(writeFlowState),
        Object.entries(tags),
        name,
        endedFromMs,
        endedBeforeMs,
      ],
    })
    const [ids, atMs, id, isEnd] = reply
    position = { atMs, id }
    return { items: asList(ids).map((uuid, place) => toListed(uuid as FlowId, place, bytes)), isEnd }
  }
}

/** Of each flow come its record, and its summary or nothing. */
function toListed(uuid: FlowId, place: number, bytes: readonly Uint8Array[]): ListedFlow {
  const core = bytes[2 * place] ?? new Uint8Array()
  const summary = bytes[2 * place + 1] ?? new Uint8Array()
  const flow = readStoredFlow(core, summary.length === 0 ? null : summary, uuid)
  return { uuid, createdAtMs: numberAt(flow.fields, F.created), flow }
}

/** Which listings can hold flows of these states. */
function classesOf(states: NonNullable<ListFlows['states']>): readonly string[] {
  if (states.length === 0) return ['open', 'ended']
  const isEnded = (state: (typeof states)[number]) =>
    (terminalFlowStates as readonly string[]).includes(state)
  return [...(states.every(isEnded) ? [] : ['open']), ...(states.some(isEnded) ? ['ended'] : [])]
}

function readCursor(cursor: string): Position {
  const [atMs = '', id = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(atMs) || !isUuid(id)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { atMs: Number(atMs), id }
}
