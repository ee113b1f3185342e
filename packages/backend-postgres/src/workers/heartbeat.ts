import { checkWorkerHeartbeat, type WorkerHeartbeat, type WorkerOperations } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { handBackAll, tellHandedBack } from './hand-back-all.js'

type Answer = Awaited<ReturnType<WorkerOperations['heartbeat']>>

/** Says that an instance lives, or with `goodbye` that it doesn't any more. It decides nothing about leases otherwise. */
export async function heartbeatWorker(ctx: PostgresContext, params: WorkerHeartbeat): Promise<Answer> {
  checkWorkerHeartbeat(params)
  const { instanceId, namespaces, active } = params
  if (params.goodbye !== true) {
    const [row] = await ctx.db.call<{ draining: boolean }>(
      `update ff.worker set active = $2, last_seen_at = ff.now_ms() where instance_id = $1 and namespaces && $3::text[]
       returning draining`,
      [instanceId, active, namespaces],
    )
    return row === undefined
      ? { outcome: 'unknown_instance', draining: false }
      : { outcome: 'beating', draining: row.draining }
  }
  const { gone, handedBack } = await ctx.db.transaction(async (tx) => {
    const [row] = await tx.query<{ draining: boolean }>(
      'delete from ff.worker where instance_id = $1 and namespaces && $2::text[] returning draining',
      [instanceId, namespaces],
    )
    return { gone: row, handedBack: row === undefined ? [] : await handBackAll(tx, instanceId) }
  })
  tellHandedBack(ctx, handedBack)
  return gone === undefined
    ? { outcome: 'unknown_instance', draining: false }
    : { outcome: 'gone', draining: gone.draining }
}
