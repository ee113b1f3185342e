import { engineError } from '../errors/engine-error.js'
import { type PartitionedId, partitionIndexOf } from '../ids/partitioned-id.js'

/** Throws `partition_mismatch` unless the id is of the given partition: one call touches one slot. */
export function requireSamePartition(id: PartitionedId, expectedIndex: number): void {
  const actualIndex = partitionIndexOf(id)
  if (actualIndex === expectedIndex) return
  throw engineError('partition_mismatch', `${id} is not in partition ${expectedIndex} of the flow family`, {
    id,
    expectedIndex,
    actualIndex,
  })
}
