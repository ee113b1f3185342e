import {
  type Bytes,
  checkGetFlow,
  type FlowId,
  type FlowResultOutcome,
  type FlowState,
  type GetFlow,
  makeExecutionId,
  type PublicState,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { judgeFlow } from '../resolution/settle.js'
import { flowNotFound, partitionOf } from './flow-state.js'

/** Members whose ends are the flow's failures, at most so many are told. */
const FAILURES_MAX = 100

/** Which members make a flow's result. Their results stay where they are as long as the flow. */
export interface FrozenResult {
  readonly sinks: readonly string[]
  readonly failures: readonly { readonly id: string; readonly publicState: PublicState }[]
}

interface FlowRow {
  readonly state: FlowState
  readonly frozen_result: FrozenResult | null
}

/** The named sinks that succeeded, and what failed without being absorbed. */
export async function getFlowResult(ctx: PostgresContext, params: GetFlow): Promise<FlowResultOutcome> {
  checkGetFlow(params)
  const { flowId, namespace } = params
  const partition = await partitionOf(ctx, flowId)
  return ctx.db.transaction(
    async (tx) => {
      const [flow] = await tx.query<FlowRow>(
        'select state, frozen_result from ff.flow where partition_key = $1 and id = $2 and namespace = $3',
        [partition, flowId, namespace],
      )
      if (flow === undefined) throw flowNotFound(flowId)
      const { state } = flow
      if (state !== 'completed' && state !== 'failed' && state !== 'cancelled')
        return { outcome: 'pending', flowState: state }
      const { sinks, failures } = flow.frozen_result ?? (await selectResult(tx, partition, flowId))
      const names = await readNames(
        tx,
        partition,
        failures.map(({ id }) => id),
      )
      return {
        outcome: state,
        results: await readResults(tx, partition, sinks),
        failures: failures.map(({ id, publicState }) => ({
          id: makeExecutionId(partition, id),
          name: names.get(id) ?? null,
          publicState,
        })),
      }
    },
    { isolation: 'repeatable read' },
  )
}

/** Which members' ends are the flow's result and failures, as of now. */
export async function selectResult(tx: Executor, partition: number, flowId: FlowId): Promise<FrozenResult> {
  const members = await tx.query<{ id: string; public_state: PublicState; is_sink: boolean }>(
    `select x.id, x.public_state, x.terminal_outcome = 'success' and i.name is not null
       and not exists (select 1 from ff.edge e where e.partition_key = x.partition_key and e.upstream_id = x.id) as is_sink
     from ff.execution x join ff.execution_info i on i.partition_key = x.partition_key and i.id = x.id
     where x.flow_id = $1 order by x.seq`,
    [flowId],
  )
  const { unabsorbed } = await judgeFlow(tx, partition, flowId)
  const failed = new Set(unabsorbed.map(uuidOf))
  return {
    sinks: members.filter(({ is_sink }) => is_sink).map(({ id }) => id),
    failures: members
      .filter(({ id }) => failed.has(id))
      .slice(0, FAILURES_MAX)
      .map(({ id, public_state }) => ({ id, publicState: public_state })),
  }
}

async function readResults(
  tx: Executor,
  partition: number,
  ids: readonly string[],
): Promise<Readonly<Record<string, Bytes | null>>> {
  const rows = await tx.query<{ name: string; result: Uint8Array | null }>(
    `select i.name, r.result from ff.execution_info i
       left join ff.execution_result r on r.partition_key = i.partition_key and r.id = i.id
     where i.partition_key = $1 and i.id = any($2::uuid[])`,
    [partition, ids],
  )
  return Object.fromEntries(rows.map(({ name, result }) => [name, result]))
}

async function readNames(
  tx: Executor,
  partition: number,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string | null>> {
  const rows = await tx.query<{ id: string; name: string | null }>(
    'select id, name from ff.execution_info where partition_key = $1 and id = any($2::uuid[])',
    [partition, ids],
  )
  return new Map(rows.map(({ id, name }) => [id, name]))
}
