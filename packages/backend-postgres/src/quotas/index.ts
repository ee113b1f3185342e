import {
  checkScanRequest,
  makeExecutionId,
  type QuotaId,
  type QuotaOperations,
  type QuotaReconcileItem,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import { wakeParked } from '../admission/waking.js'
import type { PostgresContext } from '../db/context.js'
import { createQuota, getQuota, listQuotas, updateQuota } from './records.js'
import { acquireQuota, releaseQuota } from './uses.js'

export function createQuotas(ctx: PostgresContext): QuotaOperations {
  return {
    create: (params) => createQuota(ctx, params),
    get: (params) => getQuota(ctx, params),
    list: (params) => listQuotas(ctx, params),
    update: (params) => updateQuota(ctx, params),
    acquire: (params) => acquireQuota(ctx, params),
    release: (params) => releaseQuota(ctx, params),
    wakeParked: (params) => wakeParked(ctx, params),
    reconcile: (params) => reconcile(ctx, params),
  }
}

/** A line that was not served for so long is not remembered for its turn. */
const LINE_IDLE_MS = 600_000

async function reconcile(ctx: PostgresContext, params: ScanRequest): Promise<ScanResult<QuotaReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions(), 'quota')
  const rows = await ctx.db.call<{
    quota_id: QuotaId
    key: string
    execution_partition: number
    execution_id: string
    finding: string
  }>('select * from ff.reconcile_quotas($1::integer, $2::integer, $3::bigint)', [
    partition,
    params.max,
    LINE_IDLE_MS,
  ])
  for (const { quota_id, key } of rows) ctx.waker.quota(quota_id, key)
  return {
    items: rows.map(({ quota_id: quotaId, key, execution_partition, execution_id, finding }) => ({
      outcome: 'released' as const,
      quotaId,
      key,
      executionId: makeExecutionId(execution_partition, execution_id),
      finding,
    })),
    more: rows.length >= params.max,
  }
}
