import {
  checkGetExecution,
  type ExplainFacts,
  type FlowId,
  type FlowState,
  type GetExecution,
  type InstanceId,
  type Kind,
  type LaneState,
  makeExecutionId,
  must,
  type PublicState,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import { readDemandFacts } from '../admission/explain.js'
import { type AttemptRow, attemptRows, toAttempt } from '../attempts/attempt-row.js'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { describePolicy, type GroupRow, groupColumns, toGroupView, toJoin } from '../flows/group-row.js'
import { readSuspension } from '../suspensions/suspension-row.js'
import { readExecution } from './get.js'

interface LaneRow {
  readonly now_ms: number
  readonly state: LaneState
  readonly concurrency: number | null
  readonly active: number
  readonly ahead: number
  readonly flow_id: FlowId | null
  readonly flow_state: FlowState | null
  readonly finalisers: boolean | null
}

interface WorkerRow {
  readonly instance_id: InstanceId
  readonly kinds: readonly Kind[]
  readonly capabilities: readonly string[]
  readonly draining: boolean
}

interface UpstreamRow {
  readonly id: string
  readonly name: string | null
  readonly public_state: PublicState
}

type Key = readonly [partition: number, id: string]

/** All that `explain` needs, of one snapshot. */
export async function explainFacts(ctx: PostgresContext, params: GetExecution): Promise<ExplainFacts> {
  checkGetExecution(params, await ctx.partitions())
  const key: Key = [partitionIndexOf(params.id), uuidOf(params.id)]
  return ctx.db.transaction(
    async (tx): Promise<ExplainFacts> => {
      const execution = await readExecution(ctx, tx, params)
      const lane = await readLane(tx, key)
      const [last] = await tx.query<AttemptRow>(`${attemptRows} order by idx desc limit 1`, [...key])
      return {
        outcome: 'facts',
        execution,
        nowMs: lane.now_ms,
        lane: { state: lane.state, concurrency: lane.concurrency, active: lane.active },
        workers: await readWorkers(tx, execution.namespace, execution.lane),
        ahead: lane.ahead,
        flow:
          lane.flow_id === null
            ? null
            : {
                id: lane.flow_id,
                state: must(lane.flow_state, 'the state of a flow'),
                finalisers: lane.finalisers ?? true,
              },
        group: lane.flow_id === null ? null : await readGroup(tx, key),
        lastAttempt: last === undefined ? null : toAttempt(last),
        suspension: execution.state.lifecyclePhase === 'suspended' ? await readSuspension(tx, key) : null,
        demands: await readDemandFacts(tx, key, execution),
      }
    },
    { isolation: 'repeatable read' },
  )
}

async function readLane(tx: Executor, key: Key): Promise<LaneRow> {
  const [row] = await tx.query<LaneRow>(
    `select ff.now_ms() as now_ms, l.state, l.concurrency, e.flow_id, f.state as flow_state, f.cancel_finalisers as finalisers,
       coalesce((select sum(d.n) from ff.lane_depth d where d.lane_id = l.id and d.public_state = 'active'), 0)::integer as active,
       (select count(*)::integer from (
          select from ff.execution o where e.eligibility_state = 'eligible_now' and o.partition_key = e.partition_key
            and o.route_id = e.route_id and o.admission_key is not distinct from e.admission_key and o.eligibility_state = 'eligible_now' and (o.score, o.seq) < (e.score, e.seq)
          limit 1000) a) as ahead
     from ff.execution e join ff.lane l on l.id = e.lane_id
     left join ff.flow f on f.partition_key = e.partition_key and f.id = e.flow_id
     where e.partition_key = $1 and e.id = $2`,
    [...key],
  )
  return must(row, 'the lane of an execution')
}

async function readWorkers(tx: Executor, namespace: string, lane: string): Promise<ExplainFacts['workers']> {
  const rows = await tx.query<WorkerRow>(
    `select instance_id, kinds, capabilities, draining from ff.worker
     where $1 = any (namespaces) and $2 = any (lanes) order by registered_at, instance_id`,
    [namespace, lane],
  )
  return rows.map(({ instance_id, kinds, capabilities, draining }) => ({
    instanceId: instance_id,
    kinds,
    capabilities,
    draining,
  }))
}

async function readGroup(tx: Executor, key: Key): Promise<ExplainFacts['group']> {
  const [row] = await tx.query<GroupRow>(
    `select ${groupColumns} from ff.edge_group g where g.partition_key = $1 and g.downstream_id = $2`,
    [...key],
  )
  if (row === undefined) return null
  const pending = await tx.query<UpstreamRow>(
    `select e.id, i.name, e.public_state from ff.edge x
     join ff.execution e on e.partition_key = x.partition_key and e.id = x.upstream_id
     join ff.execution_info i on i.partition_key = e.partition_key and i.id = e.id
     where x.partition_key = $1 and x.downstream_id = $2 and x.state = 'pending' order by e.seq limit 100`,
    [...key],
  )
  return {
    view: toGroupView(row),
    join: toJoin(row),
    storedPolicy: describePolicy(row),
    pendingUpstreams: pending.map(({ id, name, public_state }) => ({
      id: makeExecutionId(key[0], id),
      name,
      publicState: public_state,
    })),
  }
}
