import {
  type AcquireQuota,
  type AcquireQuotaOutcome,
  type CheckedHandle,
  checkAcquireQuota,
  checkReleaseQuota,
  type FencingRefusal,
  type ItemError,
  isEngineError,
  type LeaseHandle,
  must,
  partitionIndexOf,
  quotaKeyPartition,
  quotaNotFound,
  type ReleaseQuota,
  type ReleaseQuotaOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { fenceHandle } from '../leases/fence.js'

/** Slots that a handler takes for its own use, each in a short transaction that locks its execution first. */

export async function acquireQuota(
  ctx: PostgresContext,
  params: AcquireQuota,
): Promise<{ readonly items: readonly AcquireQuotaOutcome[] }> {
  const handles = checkAcquireQuota(params)
  const { quota: count } = await ctx.partitions()
  const items = await underLeases<AcquireQuotaOutcome>(
    ctx,
    params.namespaces,
    handles,
    async (tx, handle, place) => {
      const { quotaId, key = '', holderKey, cost = 1 } = must(params.items[place], 'an item')
      const [row] = await tx.query<{ outcome: string; retry_at: number | null }>(
        `select outcome, retry_at from ff.acquire_quota($1::integer, $2::uuid, $3::bigint, (select l.namespace from ff.execution e
         join ff.lane l on l.id = e.lane_id where e.partition_key = $1 and e.id = $2), $4::uuid, $5, $6::integer, $7, $8::bigint)`,
        [
          partitionIndexOf(handle.executionId),
          uuidOf(handle.executionId),
          handle.epoch,
          quotaId,
          key,
          quotaKeyPartition(quotaId, key, count),
          holderKey,
          cost,
        ],
      )
      switch (row?.outcome) {
        case 'acquired':
          ctx.waker.rememberUse(handle.executionId, quotaId, key)
          return { outcome: 'acquired' }
        case 'already_acquired':
          return { outcome: 'already_acquired' }
        case 'quota_exceeded':
          return { outcome: 'quota_exceeded', retryAtMs: row.retry_at }
        default:
          return { outcome: 'error', error: quotaNotFound(quotaId) }
      }
    },
  )
  return { items }
}

export async function releaseQuota(
  ctx: PostgresContext,
  params: ReleaseQuota,
): Promise<{ readonly items: readonly ReleaseQuotaOutcome[] }> {
  const handles = checkReleaseQuota(params)
  const items = await underLeases<ReleaseQuotaOutcome>(
    ctx,
    params.namespaces,
    handles,
    async (tx, handle, place) => {
      const { quotaId, key = '', holderKey } = must(params.items[place], 'an item')
      const id = uuidOf(handle.executionId)
      const [row] = await tx.query<{ known: boolean; gone: number }>(
        `with gone as (
         delete from ff.quota_holder where execution_id = $2 and quota_id = $3 and key = $4 and holder_key = $5 returning 1
       )
       select exists (select 1 from ff.quota q join ff.lane l on l.namespace = q.namespace
           join ff.execution e on e.lane_id = l.id and e.partition_key = $1 and e.id = $2 where q.id = $3) as known,
         (select count(*) from gone) as gone`,
        [partitionIndexOf(handle.executionId), id, quotaId, key, holderKey],
      )
      if (row?.known !== true) return { outcome: 'error', error: quotaNotFound(quotaId) }
      return { outcome: row.gone > 0 ? 'released' : 'not_held' }
    },
  )
  for (const [place, item] of items.entries()) {
    const { quotaId, key = '' } = must(params.items[place], 'an item')
    if (item.outcome === 'released') ctx.waker.quota(quotaId, key)
  }
  return { items }
}

/** One after the other: two items may be of one execution, and then the order counts. */
async function underLeases<Outcome>(
  ctx: PostgresContext,
  namespaces: readonly string[],
  handles: readonly CheckedHandle[],
  use: (tx: Executor, handle: LeaseHandle, place: number) => Promise<Outcome>,
): Promise<(Outcome | FencingRefusal | ItemError)[]> {
  const outcomes: (Outcome | FencingRefusal | ItemError)[] = []
  for (const [place, handle] of handles.entries()) {
    if (isEngineError(handle)) outcomes.push({ outcome: 'error', error: handle })
    else {
      outcomes.push(
        await ctx.db.transaction(
          async (tx) => (await fenceHandle(tx, namespaces, handle)) ?? use(tx, handle, place),
        ),
      )
    }
  }
  return outcomes
}
