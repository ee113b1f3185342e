import {
  engineError,
  type FlowCancelPolicy,
  type FlowId,
  type FlowState,
  type Namespace,
  partitionOfFlow,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'

/** The record of a flow, as far as a change of it looks at it. */
export interface FlowStateRow {
  readonly partition_key: number
  readonly id: FlowId
  readonly namespace: Namespace
  readonly state: FlowState
  readonly graph_revision: number
  readonly generation: number
  readonly cancel_policy: FlowCancelPolicy | null
  readonly cancel_finalisers: boolean | null
  readonly draft_expires_at: number | null
  readonly deadline_ms: number | null
  readonly graph_hash: Uint8Array | null
}

/**
 * Locks a flow's row: from here to the end of the transaction nobody else changes its state, its edges or its groups.
 * It is the first lock of whoever takes it, so that nobody waits in a circle. Throws `flow_not_found`.
 */
export async function lockFlow(
  tx: Executor,
  flow: { readonly partition: number; readonly flowId: FlowId; readonly namespace?: Namespace | undefined },
): Promise<FlowStateRow> {
  const row = await tryLockFlow(tx, flow.partition, flow.flowId)
  if (row === undefined || (flow.namespace !== undefined && row.namespace !== flow.namespace)) {
    throw flowNotFound(flow.flowId)
  }
  return row
}

/** As `lockFlow`, for scanners: a flow that is gone is nothing to them. */
export async function tryLockFlow(
  tx: Executor,
  partition: number,
  flowId: string,
): Promise<FlowStateRow | undefined> {
  const [row] = await tx.query<FlowStateRow>(
    `select partition_key, id, namespace, state, graph_revision, generation, cancel_policy, cancel_finalisers, draft_expires_at,
       deadline_ms, graph_hash
     from ff.flow where partition_key = $1 and id = $2 for no key update`,
    [partition, flowId],
  )
  return row
}

export function flowNotFound(flowId: FlowId) {
  return engineError('flow_not_found', `No flow ${flowId} in this namespace`)
}

/** Which partition the flow lives in. */
export async function partitionOf(ctx: PostgresContext, flowId: FlowId): Promise<number> {
  return partitionOfFlow(flowId, (await ctx.partitions()).flow)
}

export async function readNowMs(tx: Executor): Promise<number> {
  const [row] = await tx.query<{ now: number }>('select ff.now_ms() as now')
  if (row === undefined) throw engineError('corruption', 'The store told no time', { subject: 'now_ms' })
  return row.now
}
