import type { FlowId, Namespace } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { carryOut } from '../resolution/dispatch.js'
import { runHop } from '../resolution/hop.js'
import { settleFlow } from '../resolution/settle.js'
import { flowNotFound } from './flow-state.js'

interface OverRow {
  readonly is_over: boolean
}

/**
 * The last end of an open flow was recorded before the call that asks: the flow came to its own end, whatever the
 * dispatcher has got to. Its ends are dispatched here, one by one, and it is settled.
 */
export async function settleIfOver(
  ctx: PostgresContext,
  partition: number,
  flowId: FlowId,
  namespace: Namespace,
): Promise<void> {
  const [flow] = await ctx.db.query<OverRow>(
    `select f.state = 'open' and not exists (select 1 from ff.execution x
       where x.flow_id = f.id and x.lifecycle_phase <> 'terminal') as is_over
     from ff.flow f where f.partition_key = $1 and f.id = $2 and f.namespace = $3`,
    [partition, flowId, namespace],
  )
  if (flow === undefined) throw flowNotFound(flowId)
  if (!flow.is_over) return
  for (;;) {
    const [entry] = await ctx.db.query<{ id: string }>(
      `select id from ff.completion_event where flow_id = $1 and kind = 'completion' order by seq limit 1`,
      [flowId],
    )
    if (entry === undefined) break
    const hop = await runHop(ctx, { partitions: [partition], entry: entry.id, max: 1 })
    for (const other of hop.others) await carryOut(ctx, other)
    // Someone else holds it, or it can't be read: its flow is not over as far as anyone can tell.
    if (hop.entries.length === 0 || hop.entries.some(({ corrupt }) => corrupt !== null)) return
  }
  await settleFlow(ctx, partition, flowId, null)
}
