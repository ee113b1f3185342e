import type { PageRequest } from '../contract/conventions.js'
import { engineError } from '../errors/engine-error.js'
import { type ExecutionId, type PartitionedId, parseExecutionId, partitionIndexOf } from '../ids/index.js'
import { limits } from '../limits.js'
import { isNamespace, parseNamespace } from '../names.js'
import { type PartitionConfig, requirePartitionIndex } from '../partitions/index.js'
import { checkList, checkObject, checkOptionalInteger } from './fields.js'

/** Throws unless the params are an object that names the caller's namespace. */
export function checkScoped(params: { readonly namespace: unknown }): void {
  checkObject(params, '')
  parseNamespace(params.namespace as string)
}

/** Throws unless the params are an object that names the worker's namespaces. */
export function checkWorkerScoped(params: { readonly namespaces: unknown }): void {
  checkObject(params, '')
  const { namespaces } = params
  checkList(namespaces, 'namespaces', limits.claimNamespacesMax, 1)
  for (const namespace of namespaces as readonly unknown[]) {
    if (!isNamespace(namespace)) parseNamespace(namespace as string)
  }
}

/** Throws unless the value is the id of an execution in a partition of this deployment. */
export function checkExecutionId(value: unknown, counts: PartitionConfig): ExecutionId {
  const id = parseExecutionId(value as string)
  requirePartitionIndex(partitionIndexOf(id), counts.flow)
  return id
}

/** Throws `partition_mismatch` unless the id names the partition of what it belongs to. */
export function checkOwnPartition(id: PartitionedId, owner: PartitionedId): void {
  const actualIndex = partitionIndexOf(id)
  const expectedIndex = partitionIndexOf(owner)
  if (actualIndex === expectedIndex) return
  throw engineError(
    'partition_mismatch',
    `${id} names partition ${actualIndex}, ${owner} lives in ${expectedIndex}`,
    { id, expectedIndex, actualIndex },
  )
}

/** Throws `invalid_cursor`, `invalid_params` or `limit_exceeded`. What a cursor says is judged by the listing. */
export function checkPageRequest(params: PageRequest): void {
  const { cursor, limit } = params as { cursor?: unknown; limit?: unknown }
  if (cursor !== undefined) checkCursor(cursor)
  checkOptionalInteger(limit, 'limit', 1, limits.pageSizeMax)
}

/** Throws `invalid_cursor` for what no listing and no feed ever handed out. */
export function checkCursor(cursor: unknown): void {
  if (
    typeof cursor === 'string' &&
    cursor !== '' &&
    cursor.length <= CURSOR_CHARS_MAX &&
    !cursor.includes('\0')
  )
    return
  throw engineError('invalid_cursor', 'A cursor is the text that the page before it gave')
}

/** A feed's cursor names each partition, hence the room. */
const CURSOR_CHARS_MAX = 1_048_576
