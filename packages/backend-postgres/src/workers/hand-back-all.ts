import type { InstanceId } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { announceEnds } from '../leases/after-end.js'
import { type FinishedRow, finishedColumnNames } from '../leases/finished-row.js'

/** What the instance still holds is claimable again at once, as if its leases had run out now. Call `tellHandedBack` after the commit. */
export async function handBackAll(tx: Executor, instanceId: InstanceId): Promise<readonly FinishedRow[]> {
  await tx.query('select ff.enter_barrier()')
  const held = await tx.query<{ partition_key: number; id: string }>(
    `select partition_key, id from ff.execution where instance_id = $1 and lifecycle_phase = 'active' order by id for update`,
    [instanceId],
  )
  if (held.length === 0) return []
  return tx.query<FinishedRow>(
    `select ${finishedColumnNames.join(', ')} from ff.reclaim($1::integer[], $2::uuid[], 'lease_expiry', ff.now_ms())`,
    [held.map(({ partition_key }) => partition_key), held.map(({ id }) => id)],
  )
}

export function tellHandedBack(ctx: PostgresContext, rows: readonly FinishedRow[]): void {
  announceEnds(
    ctx,
    rows.map((row) => ({ ...row, was_active: true })),
  )
}
