import {
  checkScanRequest,
  engineError,
  type FlowSummary,
  isEngineError,
  isUuid,
  limits,
  type ResolutionOperations,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { countMembers, type Recount } from './count-members.js'
import { isOneItems } from './faults.js'
import { type LiveFlow, readLiveFlows } from './live-flows.js'
import { writeSummaries } from './write-summaries.js'

type Params = Parameters<ResolutionOperations['projectSummaries']>[0]
type Answer = Awaited<ReturnType<ResolutionOperations['projectSummaries']>>

/** Flows that are read at the same time. */
const READS_MAX = 16

/** Writes the summaries of the partition's changed live flows, in the order of their ids. */
export async function projectSummaries(ctx: ValkeyContext, params: Params): Promise<Answer> {
  const partition = checkScanRequest(params, await ctx.partitions())
  if (params.cursor !== undefined && !isUuid(params.cursor)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  const max = Math.min(params.max, limits.projectorBatchMax)
  const live = await readLiveFlows(ctx, partition, params.cursor ?? '', max + 1)
  const flows = live.slice(0, max)
  const counted: Counted[] = []
  for (let from = 0; from < flows.length; from += READS_MAX) {
    const some = flows.slice(from, from + READS_MAX)
    counted.push(...(await Promise.all(some.map((flow) => countGuarded(ctx, flow)))))
  }
  const items = await writeSummaries(ctx, partition, counted)
  const more = live.length > max
  return { items, more, cursor: more ? (items.at(-1)?.flowId ?? null) : null }
}

/** What is to become of a flow. */
export type Counted = { readonly flow: LiveFlow } & (
  | { readonly what: 'gone' }
  | { readonly what: 'unchanged' }
  | { readonly what: 'error'; readonly code: string }
  | ({ readonly what: 'counted'; readonly stored: FlowSummary | null } & Recount)
)

/** A flow that can't be read leaves the others of its page unharmed. */
async function countGuarded(ctx: ValkeyContext, flow: LiveFlow): Promise<Counted> {
  try {
    return await count(ctx, flow)
  } catch (fault) {
    if (isEngineError(fault, 'flow_not_found')) return { flow, what: 'gone' }
    if (!isOneItems(fault)) throw fault
    return { flow, what: 'error', code: fault.code }
  }
}

async function count(ctx: ValkeyContext, flow: LiveFlow): Promise<Counted> {
  if (flow.core === undefined) return { flow, what: 'gone' }
  const recount = await countMembers(ctx, flow.id, flow.core)
  if (recount === undefined) return { flow, what: 'unchanged' }
  return { flow, what: 'counted', stored: readSummary(flow.summary), ...recount }
}

/** One that doesn't decode is as good as none: it is written anew. */
function readSummary(text: Uint8Array | undefined): FlowSummary | null {
  if (text === undefined) return null
  try {
    const summary = JSON.parse(Buffer.from(text).toString()) as FlowSummary | null
    return typeof summary === 'object' && summary !== null && typeof summary.counts === 'object'
      ? summary
      : null
  } catch {
    return null
  }
}
