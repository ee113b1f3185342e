import { checkRegisterWorker, type RegisterWorker } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { handBackAll, tellHandedBack } from './hand-back-all.js'

/** Announces an instance. What an instance of this id held is handed back: whoever registers starts with nothing. */
export async function registerWorker(
  ctx: PostgresContext,
  params: RegisterWorker,
): Promise<{ readonly outcome: 'registered'; readonly handedBack: number }> {
  checkRegisterWorker(params)
  const { workerId, instanceId, namespaces, lanes, kinds, capabilities, concurrency } = params
  const handedBack = await ctx.db.transaction(async (tx) => {
    const [known] = await tx.query<{ found: boolean }>(
      'select true as found from ff.worker where instance_id = $1 for update',
      [instanceId],
    )
    await tx.query(
      `insert into ff.worker (instance_id, worker_id, namespaces, lanes, kinds, capabilities, concurrency, registered_at, last_seen_at)
       values ($1, $2, $3, $4, $5, $6, $7, ff.now_ms(), ff.now_ms())
       on conflict (instance_id) do update set worker_id = excluded.worker_id, namespaces = excluded.namespaces,
         lanes = excluded.lanes, kinds = excluded.kinds, capabilities = excluded.capabilities, active = 0, draining = false,
         concurrency = excluded.concurrency, registered_at = excluded.registered_at, last_seen_at = excluded.last_seen_at`,
      [instanceId, workerId, namespaces, lanes, kinds, capabilities, concurrency],
    )
    return known === undefined ? [] : handBackAll(tx, instanceId)
  })
  tellHandedBack(ctx, handedBack)
  return { outcome: 'registered', handedBack: handedBack.length }
}
