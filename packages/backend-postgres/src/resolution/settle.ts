import {
  type CancelCause,
  type FlowId,
  type FlowState,
  type GroupDecision,
  type JoinPolicy,
  limits,
  makeExecutionId,
  type RecordedOutcome,
  type RunOn,
  type SettlementMember,
  settlementOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { tryLockFlow } from '../flows/flow-state.js'

interface MemberRow {
  readonly id: string
  readonly outcome: RecordedOutcome
  readonly cancel_cause: CancelCause | null
  readonly attempt_started: boolean
  readonly run_on: RunOn | null
  readonly policy_kind: JoinPolicy['kind'] | null
  readonly group_state: GroupDecision | null
}

/**
 * Settles a flow in which something ended other than well, if it is still as it was: judging that takes the whole graph,
 * which is read under the flow's lock. Answers the new state, or nothing if there was nothing to settle.
 */
export async function settleFlow(
  ctx: PostgresContext,
  partition: number,
  flowId: FlowId,
  entryId: string | null,
): Promise<FlowState | undefined> {
  const state = await ctx.db.transaction(async (tx) => {
    const flow = await tryLockFlow(tx, partition, flowId)
    if (entryId !== null) {
      await tx.query('delete from ff.completion_event where partition_key = $1 and id = $2', [
        partition,
        entryId,
      ])
    }
    if (flow === undefined || (flow.state !== 'open' && flow.state !== 'cancelling')) return undefined
    if (await hasWork(tx, flowId)) return undefined
    const settled = flow.state === 'cancelling' ? 'cancelled' : (await judgeFlow(tx, partition, flowId)).state
    await tx.query(
      `update ff.flow set state = $3::ff.flow_state, terminal_at = ff.now_ms(), unprojected = true,
         due_at = coalesce((select max(x.terminal_at + coalesce(x.retention_ms, l.retention_ms))
           from ff.execution x join ff.lane l on l.id = x.lane_id where x.flow_id = $2), ff.now_ms() + $4::bigint)
       where partition_key = $1 and id = $2`,
      [partition, flowId, settled, limits.retentionMsDefault],
    )
    return settled
  })
  if (state !== undefined) ctx.hints.emit({ type: 'ended', id: flowId })
  return state
}

/** Whether members are open, or ends wait to be looked at: an extend that came first wins. */
async function hasWork(tx: Executor, flowId: FlowId): Promise<boolean> {
  const [row] = await tx.query<{ found: boolean }>(
    `select exists (select 1 from ff.execution where flow_id = $1 and lifecycle_phase <> 'terminal')
       or exists (select 1 from ff.completion_event where flow_id = $1 and kind = 'completion') as found`,
    [flowId],
  )
  return row?.found ?? true
}

/** How a flow ends by what its ended members came to: by the absorption rule. */
export async function judgeFlow(tx: Executor, partition: number, flowId: FlowId) {
  const members = await tx.query<MemberRow>(
    `select x.id, x.terminal_outcome as outcome, x.cancel_cause, g.run_on, g.policy_kind, g.state as group_state,
       exists (select 1 from ff.attempt a where a.partition_key = x.partition_key and a.execution_id = x.id
         and a.generation = x.generation) as attempt_started
     from ff.execution x left join ff.edge_group g on g.partition_key = x.partition_key and g.downstream_id = x.id
     where x.flow_id = $1 and x.lifecycle_phase = 'terminal' order by x.seq`,
    [flowId],
  )
  const edges = await tx.query<{ up: string; down: string }>(
    `select e.upstream_id as up, e.downstream_id as down
     from ff.execution x join ff.edge e on e.partition_key = x.partition_key and e.upstream_id = x.id where x.flow_id = $1`,
    [flowId],
  )
  return settlementOf(
    members.map((row) => toSettlementMember(partition, row)),
    edges.map(({ up, down }) => ({
      from: makeExecutionId(partition, up),
      to: makeExecutionId(partition, down),
    })),
  )
}

function toSettlementMember(partition: number, row: MemberRow): SettlementMember {
  return {
    id: makeExecutionId(partition, row.id),
    outcome: row.outcome,
    cancelCause: row.cancel_cause,
    runOn: row.run_on ?? 'groupSatisfied',
    attemptStarted: row.attempt_started,
    group: row.group_state === null ? null : { policy: row.policy_kind ?? 'all_of', state: row.group_state },
  }
}
