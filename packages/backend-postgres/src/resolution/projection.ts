import {
  checkScanRequest,
  type EngineError,
  engineError,
  type FlowId,
  type FlowState,
  type FlowSummary,
  isEngineError,
  isUuid,
  limits,
  type ProjectionItem,
  type ResolutionOperations,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { summarizeFlows } from '../flows/summary.js'

type Params = Parameters<ResolutionOperations['projectSummaries']>[0]
type Answer = Awaited<ReturnType<ResolutionOperations['projectSummaries']>>

interface LiveRow {
  readonly id: FlowId
  readonly state: FlowState
  readonly summary: FlowSummary | null
}

/** Writes the summaries of the partition's live flows, in the order of their ids. */
export async function projectSummaries(ctx: PostgresContext, params: Params): Promise<Answer> {
  const partition = checkScanRequest(params, await ctx.partitions())
  if (params.cursor !== undefined && !isUuid(params.cursor)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  const max = Math.min(params.max, limits.projectorBatchMax)
  const page = await projectPage(ctx, partition, params.cursor ?? null, max).catch((fault: unknown) => {
    if (!isOfOneFlow(fault)) throw fault
    // One flow that can't be written would take the whole page with it: then each is written for itself.
    return projectOneByOne(ctx, partition, params.cursor ?? null, max)
  })
  const { items, more } = page
  return { items, more, cursor: more ? (items.at(-1)?.flowId ?? null) : null }
}

interface ProjectedPage {
  readonly items: readonly ProjectionItem[]
  readonly more: boolean
}

function projectPage(
  ctx: PostgresContext,
  partition: number,
  after: string | null,
  max: number,
): Promise<ProjectedPage> {
  return ctx.db.transaction(async (tx) => {
    const live = await lockLiveFlows(tx, partition, after, max + 1)
    const flows = live.slice(0, max)
    return {
      items: flows.length === 0 ? [] : await projectAll(tx, partition, flows),
      more: live.length > max,
    }
  })
}

/** As `projectPage`, in a transaction for each flow; those that fail are left as they were, and named. */
async function projectOneByOne(
  ctx: PostgresContext,
  partition: number,
  after: string | null,
  max: number,
): Promise<ProjectedPage> {
  const live = await ctx.db.transaction((tx) => lockLiveFlows(tx, partition, after, max + 1))
  const items: ProjectionItem[] = []
  for (const flow of live.slice(0, max)) {
    try {
      items.push(
        ...(await ctx.db.transaction(async (tx) => {
          await tx.query('select 1 from ff.flow where partition_key = $1 and id = $2 for no key update', [
            partition,
            flow.id,
          ])
          return projectAll(tx, partition, [flow])
        })),
      )
    } catch (fault) {
      if (!isOfOneFlow(fault)) throw fault
      items.push({ outcome: 'error', flowId: flow.id, code: fault.code })
    }
  }
  return { items, more: live.length > max }
}

/** A fault that another flow need not have; not one of the connection, of contention or of closing. */
function isOfOneFlow(fault: unknown): fault is EngineError {
  return isEngineError(fault, 'internal_error') || isEngineError(fault, 'corruption')
}

/**
 * Locked before they are counted: whoever marks a flow as changed holds its row until the change is committed, so that
 * no change falls between the count and the mark's removal.
 */
function lockLiveFlows(tx: Executor, partition: number, after: string | null, max: number) {
  return tx.query<LiveRow>(
    `select f.id, f.state, f.summary from ff.flow f
     where f.partition_key = $1 and ($2::uuid is null or f.id > $2)
       and (f.unprojected or f.state in ('draft', 'open', 'cancelling', 'replaying')
         or (f.state = 'cancelled' and f.cancel_policy = 'flow_only' and f.due_at is null))
     order by f.id limit $3 for no key update`,
    [partition, after, max],
  )
}

async function projectAll(
  tx: Executor,
  partition: number,
  flows: readonly LiveRow[],
): Promise<ProjectionItem[]> {
  const summaries = await summarizeFlows(tx, flows)
  const items = flows.map((flow): ProjectionItem => {
    const summary = summaries.get(flow.id)
    if (summary === undefined) return { outcome: 'gone', flowId: flow.id }
    if (isSummary(flow.summary) && isSame(flow.summary, summary))
      return { outcome: 'unchanged', flowId: flow.id }
    return { outcome: 'projected', flowId: flow.id, summary, drift: false }
  })
  const changed = items.filter((item) => item.outcome === 'projected')
  await tx.query(
    `update ff.flow f set summary = i.summary, summary_at = (i.summary ->> 'lastSummaryUpdateAtMs')::bigint, unprojected = false
     from unnest($2::uuid[], $3::jsonb[]) as i(id, summary) where f.partition_key = $1 and f.id = i.id`,
    [partition, changed.map(({ flowId }) => flowId), changed.map(({ summary }) => JSON.stringify(summary))],
  )
  await tx.query(
    'update ff.flow set unprojected = false where partition_key = $1 and id = any($2::uuid[]) and unprojected',
    [partition, flows.map(({ id }) => id)],
  )
  return items
}

/** One that doesn't decode is as good as none: it is written anew. */
function isSummary(stored: FlowSummary | null): stored is FlowSummary {
  return stored !== null && typeof stored === 'object' && typeof stored.counts === 'object'
}

/** Stored summaries come back with their fields in another order. */
function isSame(stored: FlowSummary, counted: FlowSummary): boolean {
  return fingerprint(stored) === fingerprint(counted)
}

function fingerprint({ lastSummaryUpdateAtMs: _, counts, ...rest }: FlowSummary): string {
  const entries = [...Object.entries(rest), ...Object.entries(counts)]
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
