import {
  type CancelCause,
  checkReplayFlow,
  type ExecutionId,
  engineError,
  type FlowId,
  makeExecutionId,
  type ReplayFlow,
  type ReplayFlowOutcome,
  type ReplayMember,
  replayPlanOf,
  type TerminalOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { type FlowStateRow, lockFlow, partitionOf } from './flow-state.js'
import { RESET_BATCH, type ResetStep, resetBatch, tellReopened } from './reset.js'

interface MemberRow {
  readonly generation: number
  readonly id: string
  readonly outcome: TerminalOutcome
  readonly cancel_cause: CancelCause | null
  readonly deps_blocked: boolean
  readonly replay_count: number
}

interface FlowMember extends ReplayMember {
  readonly generation: number
}

/** Of the chosen ones, only those that still are of these generations. */
export type ExpectedGenerations = ReadonlyMap<ExecutionId, number>

/**
 * Reopens members of a flow with their descendants. A small replay is one step; a larger one sets the flow to
 * `replaying`, in which nothing is claimed, decided or added, and goes on in batches that any dispatcher can finish.
 */
export async function replayFlow(
  ctx: PostgresContext,
  params: ReplayFlow,
  expected?: ExpectedGenerations,
): Promise<ReplayFlowOutcome> {
  checkReplayFlow(params, await ctx.partitions())
  const { flowId, namespace } = params
  const partition = await partitionOf(ctx, flowId)
  const { outcome, step } = await ctx.db.transaction(async (tx) => {
    const flow = await lockFlow(tx, { partition, flowId, namespace })
    const members = await readMembers(tx, partition, flowId)
    refuseStrangers(members, params)
    if (!isReplayable(flow))
      return { outcome: { outcome: 'flow_not_open', flowState: flow.state } as const, step: undefined }
    const plan = replayPlanOf(
      members,
      await readEdges(tx, partition, flowId),
      chosenOf(members, params, expected),
    )
    if (plan.outcome !== 'plan') return { outcome: plan, step: undefined }
    await planReset(tx, partition, params, plan.ids)
    const isSmall = plan.ids.length <= RESET_BATCH
    await reopen(tx, partition, flowId, isSmall ? 'open' : 'replaying')
    let step: ResetStep = { members: 0, done: false, ready_lanes: null }
    while (isSmall && !step.done) step = await resetBatch(tx, partition, flowId)
    if (!isSmall) {
      await tx.query(
        `insert into ff.completion_event (partition_key, kind, flow_id, generation) values ($1, 'replay_reset', $2, $3)`,
        [partition, flowId, flow.generation + 1],
      )
    }
    return { outcome: { outcome: 'replayed', ids: plan.ids } as const, step }
  })
  if (step === undefined) return outcome
  if (step.done) tellReopened(ctx, partition, step)
  else await finishReset(ctx, partition, flowId)
  return outcome
}

/** Drives a replay on until the flow is open again. Whoever else does the same meanwhile only helps. */
export async function finishReset(ctx: PostgresContext, partition: number, flowId: FlowId): Promise<void> {
  for (;;) {
    const step = await ctx.db.transaction(async (tx) => {
      const [flow] = await tx.query<{ state: string }>(
        'select state from ff.flow where partition_key = $1 and id = $2 for no key update',
        [partition, flowId],
      )
      return flow?.state === 'replaying' ? resetBatch(tx, partition, flowId) : undefined
    })
    if (step === undefined) return
    if (step.done) return tellReopened(ctx, partition, step)
  }
}

async function readMembers(tx: Executor, partition: number, flowId: FlowId): Promise<readonly FlowMember[]> {
  const rows = await tx.query<MemberRow>(
    `select id, terminal_outcome as outcome, cancel_cause, deps_blocked, replay_count, generation
     from ff.execution where flow_id = $1 order by seq`,
    [flowId],
  )
  return rows.map((row) => ({
    id: makeExecutionId(partition, row.id),
    outcome: row.outcome,
    cancelCause: row.cancel_cause,
    dependencyBlocked: row.deps_blocked,
    replayCount: row.replay_count,
    generation: row.generation,
  }))
}

async function readEdges(tx: Executor, partition: number, flowId: FlowId) {
  const rows = await tx.query<{ up: string; down: string }>(
    `select e.upstream_id as up, e.downstream_id as down
     from ff.execution x join ff.edge e on e.partition_key = x.partition_key and e.upstream_id = x.id
     where x.flow_id = $1 order by x.seq, e.downstream_id`,
    [flowId],
  )
  return rows.map(({ up, down }) => ({
    from: makeExecutionId(partition, up),
    to: makeExecutionId(partition, down),
  }))
}

/** Throws `unknown_node` for a chosen id, or one with a new input, that is no member. */
function refuseStrangers(members: readonly ReplayMember[], { from, inputs = [], flowId }: ReplayFlow): void {
  const known = new Set(members.map(({ id }) => id))
  const named = [...(from === 'failed' ? [] : from), ...inputs.map(({ id }) => id)]
  const stranger = named.find((id) => !known.has(id))
  if (stranger === undefined) return
  throw engineError('unknown_node', `${stranger} is no member of flow ${flowId}`, { node: stranger })
}

function chosenOf(
  members: readonly FlowMember[],
  { from }: ReplayFlow,
  expected: ExpectedGenerations | undefined,
): ReplayFlow['from'] {
  if (expected === undefined || from === 'failed') return from
  const generations = new Map(members.map(({ id, generation }) => [id, generation]))
  return from.filter((id) => generations.get(id) === expected.get(id))
}

function isReplayable({ state, cancel_policy }: FlowStateRow): boolean {
  if (state === 'cancelled') return cancel_policy !== 'flow_only'
  return state === 'open' || state === 'completed' || state === 'failed'
}

async function planReset(
  tx: Executor,
  partition: number,
  { flowId, inputs = [] }: ReplayFlow,
  ids: readonly ExecutionId[],
): Promise<void> {
  await tx.query(
    `insert into ff.replay_member (partition_key, flow_id, ordinal, execution_id)
     select $1, $2, ordinality, id from unnest($3::uuid[]) with ordinality as i(id, ordinality)`,
    [partition, flowId, ids.map(uuidOf)],
  )
  if (inputs.length === 0) return
  await tx.query(
    `update ff.replay_member m set has_input = true, input = i.input
     from unnest($3::uuid[], $4::bytea[]) as i(id, input)
     where m.partition_key = $1 and m.flow_id = $2 and m.execution_id = i.id`,
    [partition, flowId, inputs.map(({ id }) => uuidOf(id)), inputs.map(({ input }) => input)],
  )
}

async function reopen(
  tx: Executor,
  partition: number,
  flowId: FlowId,
  state: 'open' | 'replaying',
): Promise<void> {
  await tx.query(
    `update ff.flow set state = $3::ff.flow_state, generation = generation + 1, terminal_at = null, unprojected = true,
       cancel_policy = null, cancel_finalisers = null, cancel_requested_at = null, frozen_result = null,
       deadline_at = ff.now_ms() + deadline_ms, due_at = ff.now_ms() + deadline_ms
     where partition_key = $1 and id = $2`,
    [partition, flowId, state],
  )
  await tx.query('delete from ff.cancel_backlog where partition_key = $1 and flow_id = $2', [
    partition,
    flowId,
  ])
}
