import {
  type BulkOperations,
  createBulkOperations,
  type ExecutionOperations,
  type OperationParts,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { tagsOf } from '../maintenance/prepare.js'
import { createDueRecords } from '../records/due-records.js'
import { carryOut } from './carry-out.js'
import { findItems } from './find-items.js'

export function createOperations(ctx: ValkeyContext, executions: ExecutionOperations): BulkOperations {
  return createBulkOperations(operationParts(ctx, executions))
}

/** Makes a job, once for each id. */
export type JobMaker = Pick<BulkOperations, 'create'>

/** What the role is made of on this store. */
export function operationParts(ctx: ValkeyContext, executions: ExecutionOperations): OperationParts {
  return {
    executions,
    store: createDueRecords(ctx, 'operation'),
    targets: {
      clocks: () => readClocks(ctx),
      find: (params) => findItems(ctx, params),
      carryOut: (params) => carryOut(ctx, params),
    },
    partitions: () => ctx.partitions(),
    announce: (hint) => ctx.hints.emit(hint),
  }
}

/** Of each partition its own: the nodes of a Cluster need not agree. */
async function readClocks(ctx: ValkeyContext): Promise<readonly number[]> {
  const { flow } = await ctx.partitions()
  const answers = await Promise.all(
    tagsOf('flow', flow).map((tag) => ctx.invoke({ name: 'operations_clock', tag, args: [] })),
  )
  return answers.map(({ news }) => news.nowMs)
}
