import type { Operation } from '../contract/operations.js'
import { engineError } from '../errors/engine-error.js'
import { isOperationId } from '../ids/index.js'
import type { OperationPlace } from './operation-store.js'
import type { StoredOperation } from './record.js'

export function showOperation({
  operationId,
  createdAtMs,
  definition,
  progress,
}: StoredOperation): Operation {
  const { state, done, unchanged, failed, total, failures, endedAtMs } = progress
  return {
    id: operationId,
    work: definition.work,
    state,
    done,
    unchanged,
    failed,
    total,
    failures,
    createdAtMs,
    endedAtMs,
  }
}

/** A cursor: behind which job the listing goes on. */
export function writeOperationPlace({ createdAtMs, operationId }: OperationPlace): string {
  return `${createdAtMs}.${operationId}`
}

/** Throws `invalid_cursor`. */
export function readOperationPlace(cursor: string): OperationPlace {
  const [createdAtMs = '', operationId = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(createdAtMs) || !isOperationId(operationId)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(createdAtMs), operationId }
}
