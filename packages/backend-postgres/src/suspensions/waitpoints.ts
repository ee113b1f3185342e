import {
  type CreateWaitpoint,
  type CreateWaitpointOutcome,
  checkCreateWaitpoint,
  checkFindWaitpoint,
  checkGetWaitpoint,
  checkListWaitpoints,
  type ExecutionId,
  engineError,
  type FencingRefusal,
  type FindWaitpoint,
  type FoundWaitpoint,
  type GetWaitpoint,
  type ListWaitpoints,
  limits,
  makeExecutionId,
  must,
  type Namespace,
  type Page,
  partitionIndexOf,
  type RecordedOutcome,
  uuidOf,
  type Waitpoint,
  type WaitpointId,
  type WaitpointState,
} from '@flowfabric/core'
import { requireExecution } from '../attempts/list.js'
import { readPositionPage, toPositionPage } from '../attempts/position-page.js'
import type { PostgresContext } from '../db/context.js'
import { executionNotFound } from '../executions/get.js'
import { announceClaimable, announceIfClaimable } from '../leases/after-end.js'
import { type RefusalRow, toRefusal } from '../leases/refusal.js'
import { toWaitpointId } from './ids.js'
import { tooManyWaitpoints } from './suspend.js'

/** A row of the SQL type `waitpoint_row`, as its JSON. */
interface WaitpointRow {
  readonly id: string
  readonly execution_id: string
  readonly name: string
  readonly state: WaitpointState
  readonly created_at: number
  readonly expires_at: number | null
  readonly signal_count: number
}

interface CreatedRow extends RefusalRow {
  readonly outcome: CreateWaitpointOutcome['outcome'] | 'execution_not_found' | 'too_many_waitpoints' | null
  readonly actual: number | null
  readonly waitpoint: WaitpointRow | null
}

export async function createWaitpoint(
  ctx: PostgresContext,
  params: CreateWaitpoint,
): Promise<CreateWaitpointOutcome> {
  const handle = checkCreateWaitpoint(params, await ctx.partitions())
  const { executionId } = params
  const partition = partitionIndexOf(executionId)
  const [found] = await ctx.db.call<CreatedRow>(
    `select outcome, actual, to_json(waitpoint) as waitpoint, refusal, ended_by, terminal_outcome, answer
     from ff.create_waitpoint($1::integer, $2::uuid, $3, $4::uuid, $5, $6::bigint, $7::integer, $8::uuid, $9::bigint, $10::integer)`,
    [
      partition,
      uuidOf(executionId),
      params.namespace,
      uuidOf(params.waitpointId),
      params.name,
      params.expiresAtMs ?? null,
      handle?.attemptIndex ?? null,
      handle?.leaseId ?? null,
      handle?.epoch ?? null,
      limits.waitpointsMax,
    ],
  )
  const row = must(found, 'the answer to a waitpoint')
  const { outcome } = row
  switch (outcome) {
    case null:
      return toRefusal(row) as FencingRefusal
    case 'execution_not_found':
      throw executionNotFound(executionId)
    case 'too_many_waitpoints':
      throw tooManyWaitpoints(must(row.actual, 'their number'))
    case 'execution_terminal':
      return { outcome, terminalOutcome: row.terminal_outcome as RecordedOutcome }
    case 'created':
    case 'duplicate':
      if (handle === undefined) void announceIfClaimable(ctx, partition, uuidOf(executionId))
      return { outcome, waitpoint: toWaitpoint(partition, must(row.waitpoint, 'the waitpoint')) }
    default:
      return { outcome: 'waitpoint_conflict' }
  }
}

export async function closeWaitpoint(
  ctx: PostgresContext,
  params: GetWaitpoint,
): Promise<{ readonly outcome: 'set'; readonly previous: WaitpointState }> {
  checkGetWaitpoint(params, await ctx.partitions())
  const { waitpointId, namespace } = params
  const [row] = await ctx.db.call<{ previous: WaitpointState | null }>(
    'select ff.close_waitpoint($1::integer, $2::uuid, $3) as previous',
    [partitionIndexOf(waitpointId), uuidOf(waitpointId), namespace],
  )
  const previous = row?.previous ?? null
  if (previous === null) throw waitpointNotFound(waitpointId)
  void announceBehind(ctx, waitpointId)
  return { outcome: 'set', previous }
}

/** What `announceIfClaimable` does, for the execution of a waitpoint. */
export async function announceBehind(ctx: PostgresContext, waitpointId: WaitpointId): Promise<void> {
  if (!ctx.hints.hasListeners) return
  const [row] = await ctx.db
    .query<{ lane: number | null }>(
      `select ff.claimable_lane(w.partition_key, w.execution_id) as lane from ff.waitpoint w
       where w.partition_key = $1 and w.id = $2`,
      [partitionIndexOf(waitpointId), uuidOf(waitpointId)],
    )
    .catch(() => [])
  announceClaimable(ctx, row?.lane ?? null)
}

export async function findWaitpoint(ctx: PostgresContext, params: FindWaitpoint): Promise<FoundWaitpoint> {
  checkFindWaitpoint(params, await ctx.partitions())
  const { waitpointId } = params
  const partition = partitionIndexOf(waitpointId)
  const [row] = await ctx.db.query<WaitpointRow & { readonly namespace: Namespace }>(
    `select l.namespace, ${waitpointColumns}
     from (select ff.now_ms() as now) n, ff.waitpoint w
     join ff.execution e on e.partition_key = w.partition_key and e.id = w.execution_id
     join ff.lane l on l.id = e.lane_id
     where w.partition_key = $1 and w.id = $2`,
    [partition, uuidOf(waitpointId)],
  )
  if (row === undefined) throw waitpointNotFound(waitpointId)
  return { outcome: 'found', namespace: row.namespace, waitpoint: toWaitpoint(partition, row) }
}

/** Of a waitpoint `w` of the execution `e`, at the time `n.now`. */
const waitpointColumns = `w.id, w.execution_id, w.name,
  ff.waitpoint_state(w.closed, w.expires_at, e.lifecycle_phase = 'terminal', n.now) as state, w.created_at, w.expires_at,
  w.signal_count`

export async function listWaitpoints(ctx: PostgresContext, params: ListWaitpoints): Promise<Page<Waitpoint>> {
  checkListWaitpoints(params, await ctx.partitions())
  const page = readPositionPage(params)
  const key = await requireExecution(ctx, params)
  const rows = await ctx.db.query<WaitpointRow>(
    `select ${waitpointColumns}
     from (select ff.now_ms() as now) n, ff.execution e
     join ff.waitpoint w on w.partition_key = e.partition_key and w.execution_id = e.id
     where e.partition_key = $1 and e.id = $2 order by w.seq offset $3 limit $4`,
    [...key, page.offset, page.limit + 1],
  )
  return toPositionPage(
    rows.map((row) => toWaitpoint(key[0], row)),
    page,
  )
}

export function waitpointNotFound(id: WaitpointId) {
  return engineError('waitpoint_not_found', `No waitpoint ${id} in this namespace`)
}

function toWaitpoint(partition: number, row: WaitpointRow): Waitpoint {
  const executionId: ExecutionId = makeExecutionId(partition, row.execution_id)
  return {
    id: toWaitpointId(partition, row.id),
    executionId,
    name: row.name,
    state: row.state,
    createdAtMs: row.created_at,
    expiresAtMs: row.expires_at,
    signalCount: row.signal_count,
  }
}
