import { createHash } from 'node:crypto'
import {
  checkGraph,
  checkSubmitFlow,
  type FlowId,
  type Hint,
  hashGraph,
  isEngineError,
  type LaneState,
  limits,
  makePartitionTag,
  must,
  partitionOfFlow,
  type SubmitFlow,
  type SubmitFlowOutcome,
} from '@flowfabric/core'
import type { Catalog } from '../db/catalog.js'
import type { PostgresContext } from '../db/context.js'
import { sqlStateOf } from '../db/fault.js'
import { createGroup, type Group } from '../db/group-commit.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { type GraphRows, toGraphRows } from './node-rows.js'

export interface VerdictRow {
  readonly outcome: 'accepted' | 'duplicate' | 'flow_conflict' | 'idempotency_conflict' | 'lane_not_accepting'
  readonly flow_id: FlowId
  readonly lane_id: number | null
  readonly lane_state: LaneState | null
}

interface Submission {
  readonly flow: { readonly id: FlowId; readonly i: number }
  readonly rows: GraphRows
}

export const UNIQUE_VIOLATION = '23505'
/** Flows of one statement. */
const FLOWS_MAX = 64

/** Accepts whole graphs, each in one statement; calls at the same time share theirs. */
export function createFlowSubmitter(
  ctx: PostgresContext,
): (params: SubmitFlow) => Promise<SubmitFlowOutcome> {
  const group = createGroup<Submission, VerdictRow>({
    itemsMax: FLOWS_MAX,
    keyOf: ({ flow }) => flow.id,
    run: (submissions) => callSubmit(ctx, submissions),
  })
  return (params) => submitFlow(ctx, group, params)
}

async function submitFlow(
  ctx: PostgresContext,
  group: Group<Submission, VerdictRow>,
  params: SubmitFlow,
): Promise<SubmitFlowOutcome> {
  const counts = await ctx.partitions()
  checkSubmitFlow(params, counts)
  await ctx.demands.require(params.namespace, params.nodes)
  checkGraph(params)
  const { namespace, flowId } = params
  const partition = partitionOfFlow(flowId, counts.flow)
  const rows = await toGraphRows(ctx, namespace, params.nodes, params.edges)
  if ('crowdedLane' in rows) return { outcome: 'too_many_routes', lane: rows.crowdedLane }
  const verdict = await group.add({ flow: describeFlow(params, partition, rows), rows })
  if (verdict.outcome === 'accepted') {
    if (params.parent !== undefined) kickDispatch(ctx, [partition])
    if (ctx.hints.hasListeners) for (const hint of hintsOf(params, partition, rows)) ctx.hints.emit(hint)
  }
  return toOutcome(ctx.catalog, flowId, verdict)
}

export async function toOutcome(
  catalog: Catalog,
  flowId: FlowId,
  verdict: VerdictRow,
): Promise<SubmitFlowOutcome> {
  switch (verdict.outcome) {
    case 'lane_not_accepting': {
      const lane = await catalog.lane(must(verdict.lane_id, 'a closed lane'))
      return {
        outcome: 'lane_not_accepting',
        lane: lane.name,
        laneState: must(verdict.lane_state, 'its state'),
      }
    }
    case 'duplicate':
      return { outcome: 'duplicate', flowId: verdict.flow_id }
    case 'accepted':
      return { outcome: 'accepted', flowId, graphRevision: 1 }
    default:
      return { outcome: verdict.outcome }
  }
}

/** As `submit_flows` reads it. */
export function describeFlow(params: SubmitFlow, partition: number, rows: GraphRows) {
  const content = hashGraph(params)
  return {
    i: 1,
    pk: partition,
    id: params.flowId,
    ns: params.namespace,
    name: params.name,
    hash: hashWithIds(content, params),
    content,
    deadline: params.deadlineMs,
    tags: params.tags,
    key: params.idempotencyKey,
    ttl: params.idempotencyTtlMs ?? limits.idempotencyTtlMs,
    lanes: rows.laneIds,
    parent: params.parent,
  }
}

async function callSubmit(
  ctx: PostgresContext,
  submissions: readonly Submission[],
): Promise<readonly VerdictRow[]> {
  const flows = submissions.map(({ flow }, index) => ({ ...flow, i: index + 1 }))
  const nodes = submissions.flatMap(({ rows }, index) => placeIn(rows.nodes, index + 1))
  const edges = submissions.flatMap(({ rows }, index) => placeIn(rows.edges, index + 1))
  nodes.forEach((node, index) => {
    node.o = index
  })
  try {
    return await ctx.db.call<VerdictRow>(
      'select outcome, flow_id, lane_id, lane_state from ff.submit_flows($1::json, $2::json, $3::json) order by i',
      [JSON.stringify(flows), JSON.stringify(nodes), JSON.stringify(edges)],
    )
  } catch (fault) {
    const [only, ...others] = submissions
    // The id of a member is taken by another flow's, or by a solo execution's. Nothing is told about the other.
    if (
      only !== undefined &&
      others.length === 0 &&
      isEngineError(fault) &&
      sqlStateOf(fault) === UNIQUE_VIOLATION
    ) {
      return [{ outcome: 'flow_conflict', flow_id: only.flow.id, lane_id: null, lane_state: null }]
    }
    throw fault
  }
}

/** The rows are this process's own, made for this call: a repeat places them anew. */
function placeIn<Row extends { f: number }>(rows: readonly Row[], flow: number): readonly Row[] {
  for (const row of rows) row.f = flow
  return rows
}

/** What its acceptance means for those who wait. */
export function hintsOf(params: SubmitFlow, partition: number, rows: GraphRows): readonly Hint[] {
  const { namespace, nodes, deadlineMs } = params
  const tag = makePartitionTag('flow', partition)
  const hints: Hint[] = [...rows.readyLanes].map(([lane, count]) => ({
    type: 'ready',
    namespace,
    lane,
    count,
  }))
  hints.push({ type: 'events', partition: tag })
  const due = [
    deadlineMs,
    ...nodes.flatMap(({ delayMs, timeouts }) => [delayMs, timeouts?.queueTtlMs, timeouts?.deadlineMs]),
  ]
  const soonestMs = Math.min(...due.map((ms) => ms ?? Number.POSITIVE_INFINITY))
  // By this process's clock: a hint that is a little off is as good as one.
  const dueAtMs = Math.min(
    Date.now() + soonestMs,
    ...nodes.map(({ startAtMs }) => startAtMs ?? Number.POSITIVE_INFINITY),
  )
  if (Number.isFinite(dueAtMs)) hints.push({ type: 'due', partition: tag, dueAtMs })
  return hints
}

/** By flow id a repeat brings the same ids too; by idempotency key they may have been minted anew. */
function hashWithIds(content: string, { nodes }: SubmitFlow): string {
  const hash = createHash('sha256').update(content)
  for (const { id } of nodes) hash.update(id)
  return hash.digest('hex')
}
