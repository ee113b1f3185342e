import {
  checkGetExecution,
  type Execution,
  type ExecutionId,
  engineError,
  type GetExecution,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { type ExecutionRow, executionColumns, executionTables, toExecution } from './execution-row.js'

export async function getExecution(
  ctx: PostgresContext,
  params: GetExecution,
): Promise<{ readonly outcome: 'found'; readonly execution: Execution }> {
  checkGetExecution(params, await ctx.partitions())
  return { outcome: 'found', execution: await readExecution(ctx, ctx.db, params) }
}

/** Throws `execution_not_found`, also for another namespace's. */
export async function readExecution(
  ctx: PostgresContext,
  executor: Executor,
  { namespace, id }: GetExecution,
): Promise<Execution> {
  const [row] = await executor.query<ExecutionRow>(
    `select ${executionColumns} from ${executionTables} where e.partition_key = $1 and e.id = $2 and i.namespace = $3`,
    [partitionIndexOf(id), uuidOf(id), namespace],
  )
  if (row === undefined) throw executionNotFound(id)
  return toExecution(row, ctx.catalog)
}

export function executionNotFound(id: ExecutionId) {
  return engineError('execution_not_found', `No execution ${id} in this namespace`, { id })
}
