import {
  type CancelCause,
  type Failure,
  type FlowId,
  type ItemOutcome,
  type LifecyclePhase,
  limits,
  makeExecutionId,
  type Namespace,
  type OperationDeed,
  type OperationItem,
  partitionIndexOf,
  replayMembers,
  type TerminalOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import type { LockedExecution } from '../executions/locked.js'
import { reopenExecutions } from '../executions/replay.js'
import { replayFlow } from '../flows/replay.js'
import { announceEnds, type EndFacts } from '../leases/after-end.js'

interface CarryOut {
  readonly namespace: Namespace
  readonly deed: OperationDeed
  readonly items: readonly OperationItem[]
}

interface FoundExecution extends LockedExecution {
  readonly lifecycle_phase: LifecyclePhase
  readonly terminal_outcome: TerminalOutcome
  readonly cancel_cause: CancelCause | null
  readonly failure: Failure | null
  readonly generation: number
}

interface Carried {
  readonly outcomes: ReadonlyMap<string, ItemOutcome>
  readonly facts: readonly EndFacts[]
}

/** A batch in one transaction; members of flows are replayed by their flows, each in a transaction of its own. */
export async function carryOut(ctx: PostgresContext, params: CarryOut): Promise<readonly ItemOutcome[]> {
  const { items, deed, namespace } = params
  const alone = deed === 'replay' ? items.filter(({ flowId }) => flowId === null) : items
  const { outcomes, facts } =
    alone.length === 0
      ? nothingCarried
      : await ctx.db.transaction((tx) => carryOutTogether(tx, { ...params, items: alone }))
  announceEnds(ctx, facts)
  const ofMembers = await replayMembers(deed === 'replay' ? items : [], (flowId: FlowId, members) =>
    replayFlow(
      ctx,
      { namespace, flowId, from: members.map(({ id }) => id) },
      new Map(members.map(({ id, generation }) => [id, generation])),
    ),
  )
  return items.map(({ id }) => ofMembers.get(id) ?? outcomes.get(id) ?? unchanged)
}

const unchanged: ItemOutcome = { outcome: 'unchanged' }
const done: ItemOutcome = { outcome: 'done' }
const nothingCarried: Carried = { outcomes: new Map(), facts: [] }

async function carryOutTogether(tx: Executor, { namespace, deed, items }: CarryOut): Promise<Carried> {
  const found = await lock(tx, namespace, items)
  const generations = new Map(items.map(({ id, generation }) => [id, generation]))
  const outcomes = new Map<string, ItemOutcome>()
  const cancelled: FoundExecution[] = []
  const failed: FoundExecution[] = []
  const reopened: FoundExecution[] = []
  for (const execution of found) {
    const id = makeExecutionId(execution.partition_key, execution.id)
    const isSame = generations.get(id) === execution.generation
    if (deed === 'replay') {
      outcomes.set(id, isSame ? judgeReplay(execution) : done)
      if (isSame && judgeReplay(execution) === done) reopened.push(execution)
    } else if (!isSame || execution.terminal_outcome !== 'none') {
      outcomes.set(id, isSame && hasEndedBy(deed, execution) ? done : unchanged)
    } else if (deed === 'cancel' || execution.lifecycle_phase !== 'active') {
      outcomes.set(id, done)
      cancelled.push(execution)
    } else if (deed === 'budget_breach_running') {
      outcomes.set(id, done)
      failed.push(execution)
    }
  }
  const cause = deed === 'cancel' ? 'operator' : 'budget'
  return {
    outcomes,
    facts: [
      ...(await end(tx, cancelled, 'cancelled', cause, null)),
      ...(await end(tx, failed, 'failed', null, budgetFailure)),
      ...(reopened.length === 0 ? [] : await reopenExecutions(tx, reopened)).map(({ facts }) => facts),
    ],
  }
}

/** In order of id, as whoever locks several does. */
function lock(tx: Executor, namespace: Namespace, items: readonly OperationItem[]) {
  return tx.query<FoundExecution>(
    `select e.partition_key, e.id, e.lane_id, e.flow_id, e.lifecycle_phase, e.terminal_outcome, e.held, e.replay_count,
       e.grace_ends_at, e.cancel_cause, e.generation,
       (select r.failure from ff.execution_result r where r.partition_key = e.partition_key and r.id = e.id) as failure
     from unnest($1::integer[], $2::uuid[]) as k (partition_key, id)
     join ff.execution e on e.partition_key = k.partition_key and e.id = k.id
     join ff.lane l on l.id = e.lane_id and l.namespace = $3
     order by e.id for update of e`,
    [items.map(({ id }) => partitionIndexOf(id)), items.map(({ id }) => uuidOf(id)), namespace],
  )
}

function judgeReplay({ lifecycle_phase, replay_count }: FoundExecution): ItemOutcome {
  if (lifecycle_phase !== 'terminal') return { outcome: 'failed', code: 'replay_conflict' }
  if (replay_count >= limits.replaysMax) return { outcome: 'failed', code: 'max_replays_exceeded' }
  return done
}

/** Whether it is as the deed leaves it. */
function hasEndedBy(
  deed: OperationDeed,
  { terminal_outcome, cancel_cause, failure }: FoundExecution,
): boolean {
  if (deed === 'cancel') return terminal_outcome === 'cancelled'
  if (terminal_outcome === 'cancelled') return cancel_cause === 'budget'
  return deed === 'budget_breach_running' && failure?.category === budgetFailure.category
}

async function end(
  tx: Executor,
  executions: readonly FoundExecution[],
  outcome: 'cancelled' | 'failed',
  cause: CancelCause | null,
  failure: Failure | null,
): Promise<readonly EndFacts[]> {
  if (executions.length === 0) return []
  const rows = await tx.query<{ id: string; was_active: boolean }>(
    `select id, was_active from ff.end_executions($1::integer[], $2::uuid[], $3::ff.terminal_outcome, 'cancel', 'ended_cancelled',
       $4::ff.cancel_cause, $5::jsonb, ff.now_ms())`,
    [
      executions.map((each) => each.partition_key),
      executions.map(({ id }) => id),
      outcome,
      cause,
      failure === null ? null : JSON.stringify(failure),
    ],
  )
  const wasActive = new Set(rows.filter(({ was_active }) => was_active).map(({ id }) => id))
  return executions.map((each) => ({
    ...each,
    is_terminal: true,
    is_eligible: false,
    was_active: wasActive.has(each.id),
  }))
}

const budgetFailure: Failure = { category: 'budget_exceeded', message: 'a budget is past its hard limit' }
