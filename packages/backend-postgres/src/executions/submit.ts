import {
  checkSubmitExecutions,
  type ExecutionSubmission,
  hashInput,
  isEngineError,
  type LaneState,
  limits,
  makeExecutionId,
  makePartitionTag,
  must,
  partitionIndexOf,
  type SubmitExecutionOutcome,
  type SubmitExecutions,
  type SubmitExecutionsResult,
  uuidOf,
} from '@flowfabric/core'
import type { RouteEntry } from '../db/catalog.js'
import type { PostgresContext } from '../db/context.js'
import { createGroup, type Group } from '../db/group-commit.js'
import { announceReady } from '../leases/after-end.js'

interface Routed {
  readonly item: ExecutionSubmission
  readonly route: RouteEntry
}

interface SubmittedRow {
  readonly ord: number
  readonly outcome:
    | 'accepted'
    | 'duplicate'
    | 'execution_conflict'
    | 'idempotency_conflict'
    | 'lane_not_accepting'
  readonly partition_key: number
  readonly id: string
  readonly lane_id: number | null
  readonly lane_state: LaneState | null
  readonly eligible: boolean | null
  readonly due_at: number | null
}

type Submit = (params: SubmitExecutions) => Promise<SubmitExecutionsResult>

const itemsMax = 64

/** Accepts solo executions; calls at the same time share statements, and a large call goes in several. */
export function createSubmit(ctx: PostgresContext): Submit {
  const plain = createGroups(ctx, ({ item }) => item.id, runPlain)
  const keyed = createGroups(ctx, ({ item }) => must(item.idempotencyKey, 'a key'), runKeyed)
  return async (params) => {
    const errors = checkSubmitExecutions(params, await ctx.partitions())
    const { namespace } = params
    const submitOne = async (item: ExecutionSubmission, index: number): Promise<SubmitExecutionOutcome> => {
      const error = errors[index]
      if (error !== undefined) return { outcome: 'error', error }
      const { lane, kind, capabilities = [] } = item
      const route = await ctx.catalog.ensureRoute({ namespace, lane, kind, capabilities })
      if (route === null) return { outcome: 'too_many_routes', lane }
      const group = item.idempotencyKey === undefined ? plain(namespace) : keyed(namespace)
      return toOutcome(await group.add({ item, route }), route)
    }
    const settled = await Promise.allSettled(params.items.map(submitOne))
    return {
      items: settled.map((each) => {
        if (each.status === 'fulfilled') return each.value
        if (isEngineError(each.reason) && each.reason.kind === 'validation') {
          return { outcome: 'error', error: each.reason }
        }
        throw each.reason
      }),
    }
  }
}

function createGroups(
  ctx: PostgresContext,
  keyOf: (routed: Routed) => string,
  run: (
    ctx: PostgresContext,
    namespace: string,
    items: readonly Routed[],
  ) => Promise<readonly SubmittedRow[]>,
): (namespace: string) => Group<Routed, SubmittedRow> {
  const groups = new Map<string, Group<Routed, SubmittedRow>>()
  return (namespace) => {
    let group = groups.get(namespace)
    if (group === undefined) {
      group = createGroup<Routed, SubmittedRow>({
        itemsMax,
        keyOf,
        async run(items) {
          const rows = await run(ctx, namespace, items)
          announce(ctx, rows)
          const inOrder: SubmittedRow[] = []
          for (const row of rows) inOrder[row.ord - 1] = row
          return inOrder
        },
      })
      if (groups.size >= 256) groups.clear()
      groups.set(namespace, group)
    }
    return group
  }
}

function runPlain(
  ctx: PostgresContext,
  namespace: string,
  items: readonly Routed[],
): Promise<readonly SubmittedRow[]> {
  return ctx.db.call<SubmittedRow>(
    `select ord, outcome, partition_key, id, lane_id, lane_state, eligible, due_at
     from ff.submit_executions($1, $2::integer[], $3::uuid[], $4::integer[], $5::text[], $6::bytea[], $7::jsonb[])`,
    [namespace, ...columnsOf(items)],
  )
}

function runKeyed(
  ctx: PostgresContext,
  namespace: string,
  items: readonly Routed[],
): Promise<readonly SubmittedRow[]> {
  return ctx.db.call<SubmittedRow>(
    `select ord, outcome, partition_key, id, lane_id, lane_state, eligible, due_at
     from ff.submit_keyed($1, $2::integer[], $3::uuid[], $4::integer[], $5::text[], $6::bytea[], $7::jsonb[], $8::text[], $9::bigint[])`,
    [
      namespace,
      ...columnsOf(items),
      items.map(({ item }) => item.idempotencyKey),
      items.map(({ item }) => item.idempotencyTtlMs ?? limits.idempotencyTtlMs),
    ],
  )
}

function columnsOf(items: readonly Routed[]) {
  return [
    items.map(({ item }) => partitionIndexOf(item.id)),
    items.map(({ item }) => uuidOf(item.id)),
    items.map(({ route }) => route.id),
    items.map(({ item }) => item.inputHash ?? hashInput(item.input)),
    items.map(({ item }) => item.input),
    items.map(({ item }) => optionsOf(item)),
  ]
}

/** What is seldom stated, as one JSON text; null for an item that states nothing of it. */
function optionsOf(item: ExecutionSubmission): string | null {
  const { priority, tags, retry, timeouts, startAtMs, delayMs, retentionMs, maxReclaims, traceContext } = item
  const options = {
    ...timeouts,
    priority,
    tags,
    retry,
    startAtMs,
    delayMs,
    retentionMs,
    maxReclaims,
    traceContext,
  }
  for (const value of Object.values(options)) if (value !== undefined) return JSON.stringify(options)
  return null
}

function toOutcome(row: SubmittedRow, { lane }: RouteEntry): SubmitExecutionOutcome {
  switch (row.outcome) {
    case 'accepted':
    case 'duplicate':
      return { outcome: row.outcome, id: makeExecutionId(row.partition_key, row.id) }
    case 'lane_not_accepting':
      return {
        outcome: row.outcome,
        lane: lane.name,
        laneState: must(row.lane_state, 'the state of a closed lane'),
      }
    default:
      return { outcome: row.outcome }
  }
}

function announce(ctx: PostgresContext, rows: readonly SubmittedRow[]): void {
  if (!ctx.hints.hasListeners) return
  const readyByLane = new Map<number, number>()
  const dueByPartition = new Map<number, number>()
  for (const { outcome, lane_id, eligible, due_at, partition_key } of rows) {
    if (outcome !== 'accepted') continue
    if (eligible === true && lane_id !== null) readyByLane.set(lane_id, (readyByLane.get(lane_id) ?? 0) + 1)
    if (due_at !== null)
      dueByPartition.set(partition_key, Math.min(due_at, dueByPartition.get(partition_key) ?? due_at))
  }
  announceReady(ctx, readyByLane)
  for (const [partition, dueAtMs] of dueByPartition) {
    ctx.hints.emit({ type: 'due', partition: makePartitionTag('flow', partition), dueAtMs })
  }
}
