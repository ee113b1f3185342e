import {
  checkScanRequest,
  type IndexReconcileItem,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

interface FindingRow {
  readonly id: string
  readonly finding: string
  readonly repaired: boolean
}

/** Where the next pass over a partition goes on. */
const positions = new WeakMap<PostgresContext, Map<number, string>>()
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

/**
 * Compares a sample of records with what their state demands. The store's own indexes cannot differ from their table,
 * and its constraints keep vectors possible: what is left to compare are timers, groups and descriptions.
 */
export async function reconcileIndexes(
  ctx: PostgresContext,
  params: ScanRequest,
): Promise<ScanResult<IndexReconcileItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const from = nextPosition(ctx, partition)
  const rows = await ctx.db.call<FindingRow>(
    'select id, finding, repaired from ff.reconcile_sample($1, $2, $3)',
    [partition, from, params.max],
  )
  const [last] = await ctx.db.query<{ id: string }>(
    'select id from ff.execution where partition_key = $1 and id >= $2 order by id offset $3 limit 1',
    [partition, from, params.max],
  )
  positions.get(ctx)?.set(partition, last?.id ?? FIRST_ID)
  return {
    items: rows.map(({ id, finding, repaired }) => ({
      outcome: repaired ? 'repaired' : 'violation',
      id: makeExecutionId(partition, id),
      finding,
    })),
    more: false,
  }
}

function nextPosition(ctx: PostgresContext, partition: number): string {
  let known = positions.get(ctx)
  if (known === undefined) {
    known = new Map()
    positions.set(ctx, known)
  }
  return known.get(partition) ?? FIRST_ID
}
