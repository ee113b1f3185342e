import { type FencingRefusal, type LeaseHandle, partitionIndexOf, uuidOf } from '@flowfabric/core'
import type { Executor } from '../db/database.js'
import { type RefusalRow, toRefusal } from './refusal.js'

/**
 * Locks the execution that a handle names, and judges whether its holder may write. `undefined`: it may. For writes that
 * end nothing; the ends have the same judgement in their own statements.
 */
export async function fenceHandle(
  tx: Executor,
  namespaces: readonly string[],
  handle: LeaseHandle,
): Promise<FencingRefusal | undefined> {
  const key = [partitionIndexOf(handle.executionId), uuidOf(handle.executionId)]
  const lease = [handle.attemptIndex, handle.leaseId, handle.epoch]
  const [held] = await tx.query<{ id: string }>(
    `select e.id from ff.execution e join ff.lane l on l.id = e.lane_id and l.namespace = any ($6::text[])
     where e.partition_key = $1 and e.id = $2 and e.attempt_count = $3::integer + 1 and e.lease_id = $4 and e.epoch = $5
       and e.lifecycle_phase = 'active'
     for update of e`,
    [...key, ...lease, namespaces],
  )
  if (held !== undefined) return undefined
  const [row] = await tx.query<RefusalRow>(
    `select outcome as refusal, ended_by, terminal_outcome, answer
     from ff.refusal_of($1::integer, $2::uuid, $3::integer, $4::uuid, $5::bigint, 'write', $6::text[])`,
    [...key, ...lease, namespaces],
  )
  return row === undefined ? { outcome: 'stale_lease' } : (toRefusal(row) as FencingRefusal)
}
