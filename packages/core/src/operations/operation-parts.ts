import type { Hint } from '../contract/events.js'
import type { ExecutionOperations } from '../contract/executions.js'
import type { Namespace } from '../names.js'
import { makePartitionTag, type PartitionConfig, quotaPartition } from '../partitions/index.js'
import type { OperationName, OperationStore, OperationTargets } from './operation-store.js'

/** What the role is made of: a store of records, and the store's own executions. */
export interface OperationParts {
  readonly store: OperationStore
  readonly targets: OperationTargets
  readonly executions: Pick<ExecutionOperations, 'count'>
  partitions(): Promise<PartitionConfig>
  /** Tells this process, and others where that is possible, that a job may be due earlier. */
  announce(hint: Hint): void
}

export async function announceDue(
  parts: OperationParts,
  { namespace, operationId }: OperationName,
  dueAtMs: number | null,
): Promise<void> {
  if (dueAtMs === null) return
  parts.announce({ type: 'due', partition: await partitionTagOf(parts, namespace, operationId), dueAtMs })
}

async function partitionTagOf(parts: OperationParts, namespace: Namespace, id: string) {
  const { quota } = await parts.partitions()
  return makePartitionTag('quota', quotaPartition(namespace, id, quota))
}
