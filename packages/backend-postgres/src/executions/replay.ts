import {
  checkReplayExecution,
  limits,
  must,
  type ReplayExecution,
  type ReplayExecutionOutcome,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor, SqlValue } from '../db/database.js'
import { replayFlow } from '../flows/replay.js'
import { announceEnds, type EndFacts } from '../leases/after-end.js'
import { readExecution } from './get.js'
import { type LockedExecution, lockExecution } from './locked.js'

type Replayed =
  | { readonly flowId: NonNullable<LockedExecution['flow_id']> }
  | { readonly outcome: ReplayExecutionOutcome; readonly facts?: EndFacts }

/** Runs an ended execution again as its next generation; a member goes the way of its flow. */
export async function replayExecution(
  ctx: PostgresContext,
  params: ReplayExecution,
): Promise<ReplayExecutionOutcome> {
  checkReplayExecution(params, await ctx.partitions())
  const replayed = await ctx.db.transaction(async (tx): Promise<Replayed> => {
    const execution = await lockExecution(tx, params)
    if (execution.flow_id !== null) return { flowId: execution.flow_id }
    if (execution.lifecycle_phase !== 'terminal')
      return { outcome: { outcome: 'replay_conflict', ids: [params.id] } }
    if (execution.replay_count >= limits.replaysMax) {
      return { outcome: { outcome: 'max_replays_exceeded', ids: [params.id] } }
    }
    return reopen(tx, execution, params)
  })
  if ('flowId' in replayed) return replayMember(ctx, params, replayed.flowId)
  if (replayed.facts !== undefined) announceEnds(ctx, [replayed.facts])
  return replayed.outcome
}

async function replayMember(
  ctx: PostgresContext,
  params: ReplayExecution,
  flowId: NonNullable<LockedExecution['flow_id']>,
): Promise<ReplayExecutionOutcome> {
  const { namespace, id, input, reason } = params
  const inputs = input === undefined ? [] : [{ id, input }]
  const outcome = await replayFlow(ctx, { namespace, flowId, from: [id], inputs, reason })
  switch (outcome.outcome) {
    case 'replayed':
      return { outcome: 'replayed', generation: (await readExecution(ctx, ctx.db, params)).generation }
    case 'nothing_to_replay':
      throw new Error('A member that is named is always something to replay')
    default:
      return outcome
  }
}

/** Attempts keep numbering; deadlines and counts start afresh; with new input the journal is another run's. */
async function reopen(
  tx: Executor,
  execution: LockedExecution,
  { input }: ReplayExecution,
): Promise<{ readonly outcome: ReplayExecutionOutcome; readonly facts: EndFacts }> {
  if (input !== undefined) {
    const key: SqlValue[] = [execution.partition_key, execution.id]
    await tx.query('update ff.execution_info set input = $3 where partition_key = $1 and id = $2', [
      ...key,
      input,
    ])
    await tx.query('delete from ff.step where partition_key = $1 and execution_id = $2', key)
    await tx.query('select ff.forget_signals($1::integer, array[$2::uuid])', key)
  }
  const [reopened] = await reopenExecutions(tx, [execution])
  const { generation, facts } = must(reopened, `the locked execution ${execution.id}`)
  return { outcome: { outcome: 'replayed', generation }, facts }
}

export interface Reopened {
  readonly generation: number
  readonly facts: EndFacts
}

interface ReopenedRow {
  readonly partition_key: number
  readonly id: string
  readonly generation: number
  readonly due_at: number | null
}

/** Solo executions that have ended, which the transaction has locked. In no order. */
export async function reopenExecutions(
  tx: Executor,
  executions: readonly LockedExecution[],
): Promise<readonly Reopened[]> {
  const keys: SqlValue[] = [executions.map((each) => each.partition_key), executions.map(({ id }) => id)]
  await tx.query(
    `delete from ff.execution_result r using unnest($1::integer[], $2::uuid[]) as k (partition_key, id)
     where r.partition_key = k.partition_key and r.id = k.id`,
    keys,
  )
  await tx.query(
    `update ff.execution_info i set progress_percent = null, progress_message = null
     from unnest($1::integer[], $2::uuid[]) as k (partition_key, id)
     where i.partition_key = k.partition_key and i.id = k.id and i.progress_percent is not null`,
    keys,
  )
  const rows = await tx.query<ReopenedRow>(
    `update ff.execution e set lifecycle_phase = 'runnable', ownership_state = 'unowned', eligibility_state = 'eligible_now',
       blocking_reason = 'waiting_for_worker', terminal_outcome = 'none', public_state = 'waiting',
       attempt_state = case when e.attempt_count = 0 then 'pending_first_attempt' else 'pending_replay_attempt' end::ff.attempt_state,
       generation = e.generation + 1, replay_count = e.replay_count + 1, retry_count = 0, reclaim_count = 0, held = false,
       not_before = null, delay_reason = null, first_eligible_at = n.now, ready_at = n.now,
       score = ff.score_of(n.now, e.priority, l.ageing_ms), deadline_at = n.now + e.deadline_ms,
       queue_ttl_at = n.now + e.queue_ttl_ms, due_at = least(n.now + e.deadline_ms, n.now + e.queue_ttl_ms),
       grace_ends_at = null, cancel_cause = null, wanted = null, terminal_at = null
     from (select ff.now_ms() as now) n, unnest($1::integer[], $2::uuid[]) as k (partition_key, id), ff.lane l
     where l.id = e.lane_id and e.partition_key = k.partition_key and e.id = k.id
     returning e.partition_key, e.id, e.generation, e.due_at`,
    keys,
  )
  const byId = new Map(executions.map((each) => [each.id, each]))
  return rows.map(({ id, generation, due_at }) => ({
    generation,
    facts: { ...must(byId.get(id), `the execution ${id}`), is_terminal: false, is_eligible: true, due_at },
  }))
}
