import { type Execution, makeExecutionId, must } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionFields as X } from '../generated/layouts.js'
import { numberAt, readStored, type StoredExecution, toExecution } from '../records/stored-execution.js'
import { routeOf } from '../routes/route-of.js'
import type { Listed } from './merge-listing.js'

/** An execution that a listing has shown. */
export interface ListedExecution extends Listed {
  readonly partition: number
  readonly stored: StoredExecution
}

/** Records come in the order of their ids. */
export function readListed(
  partition: number,
  uuids: readonly string[],
  records: readonly Uint8Array[],
): readonly ListedExecution[] {
  return uuids.map((uuid, place) => {
    const stored = readStored(must(records[place], `the record of ${uuid}`), uuid)
    return { partition, uuid, stored, createdAtMs: numberAt(stored.fields, X.created) }
  })
}

/** One after the other: the first of a route that is new here reads all of its partition's. */
export async function toExecutions(
  ctx: ValkeyContext,
  items: readonly ListedExecution[],
): Promise<readonly Execution[]> {
  const executions: Execution[] = []
  for (const { partition, uuid, stored } of items) {
    const route = await routeOf(ctx, partition, stored)
    executions.push(toExecution(makeExecutionId(partition, uuid), stored, route))
  }
  return executions
}
