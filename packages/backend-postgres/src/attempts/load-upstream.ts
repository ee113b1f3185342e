import {
  checkAttemptPage,
  type LoadUpstream,
  makeExecutionId,
  type Page,
  type PublicState,
  type UpstreamResult,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { requireExecution } from './list.js'
import { readPositionPage, toPositionPage } from './position-page.js'

interface UpstreamRow {
  readonly as_name: string
  readonly upstream_id: string
  readonly seen_state: PublicState
  readonly seen_satisfied: boolean
  readonly result: Uint8Array | null
}

/** By `as` name, as the step that decided the group saw them: every attempt sees the same. */
export async function loadUpstream(
  ctx: PostgresContext,
  params: LoadUpstream,
): Promise<Page<UpstreamResult>> {
  checkAttemptPage(params, await ctx.partitions())
  const page = readPositionPage(params)
  const key = await requireExecution(ctx, params)
  const rows = await ctx.db.query<UpstreamRow>(
    `select x.as_name, x.upstream_id, x.seen_state, coalesce(x.seen_satisfied, false) as seen_satisfied, r.result
     from ff.edge x
     left join ff.execution_result r on x.seen_satisfied and r.partition_key = x.partition_key and r.id = x.upstream_id
     where x.partition_key = $1 and x.downstream_id = $2 and x.as_name is not null and x.seen_state is not null
     order by x.as_name collate "C" offset $3 limit $4`,
    [...key, page.offset, page.limit + 1],
  )
  return toPositionPage(
    rows.map((row) => ({
      as: row.as_name,
      executionId: makeExecutionId(key[0], row.upstream_id),
      publicState: row.seen_state,
      satisfied: row.seen_satisfied,
      result: row.result,
    })),
    page,
  )
}
