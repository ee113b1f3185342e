import type { Operation } from '../contract/operations.js'
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
