import {
  type AttemptRecord,
  checkAttemptPage,
  type ExecutionId,
  type ListAttempts,
  type Namespace,
  type Page,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { executionNotFound } from '../executions/get.js'
import { type AttemptRow, attemptRows, toAttempt } from './attempt-row.js'
import { readPositionPage, toPositionPage } from './position-page.js'

export async function listAttempts(ctx: PostgresContext, params: ListAttempts): Promise<Page<AttemptRecord>> {
  checkAttemptPage(params, await ctx.partitions())
  const page = readPositionPage(params)
  const key = await requireExecution(ctx, params)
  const rows = await ctx.db.query<AttemptRow>(`${attemptRows} order by idx offset $3 limit $4`, [
    ...key,
    page.offset,
    page.limit + 1,
  ])
  return toPositionPage(rows.map(toAttempt), page)
}

/** The key of an execution of the namespace. Throws `execution_not_found`. */
export async function requireExecution(
  ctx: PostgresContext,
  { namespace, executionId }: { readonly namespace: Namespace; readonly executionId: ExecutionId },
): Promise<[partition: number, id: string]> {
  const key: [number, string] = [partitionIndexOf(executionId), uuidOf(executionId)]
  const [found] = await ctx.db.query<{ id: string }>(
    'select id from ff.execution_info where partition_key = $1 and id = $2 and namespace = $3',
    [...key, namespace],
  )
  if (found === undefined) throw executionNotFound(executionId)
  return key
}
