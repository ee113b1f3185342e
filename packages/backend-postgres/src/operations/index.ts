import {
  type BulkOperations,
  createBulkOperations,
  type ExecutionOperations,
  type OperationParts,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createDueRecords } from '../records/due-records.js'
import { carryOut } from './carry-out.js'
import { findItems } from './find-items.js'

export function createOperations(ctx: PostgresContext, executions: ExecutionOperations): BulkOperations {
  return createBulkOperations(operationParts(ctx, executions))
}

/** What the role is made of on this store. */
export function operationParts(ctx: PostgresContext, executions: ExecutionOperations): OperationParts {
  return {
    executions,
    store: createDueRecords(ctx, 'operation'),
    targets: {
      clocks: () => readClock(ctx),
      find: (params) => findItems(ctx, params),
      carryOut: (params) => carryOut(ctx, params),
    },
    partitions: () => ctx.partitions(),
    announce: (hint) => ctx.hints.emit(hint),
  }
}

/** One for all partitions. */
async function readClock({ db }: PostgresContext): Promise<readonly number[]> {
  const rows = await db.query<{ now: number }>('select ff.now_ms() as now')
  return rows.map(({ now }) => now)
}
