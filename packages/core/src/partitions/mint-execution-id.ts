import { type ExecutionId, makeExecutionId, mintExecutionId } from '../ids/execution-id.js'
import type { FlowId } from '../ids/flow-id.js'
import { mintUuid } from '../ids/mint-uuid.js'
import { partitionOfFlow } from './partition-of.js'
import { requirePartitionIndex } from './partition-tag.js'
import { laneSoloPartitioner, type SoloPartitioner, type SoloPlacement } from './solo-partitioner.js'

/** Mints the id of a flow's member, in the flow's partition. */
export function mintExecutionIdInFlow(flowId: FlowId, count: number): ExecutionId {
  return mintExecutionId(partitionOfFlow(flowId, count))
}

/**
 * Mints the id of a solo execution. Throws `partition_out_of_range` when the partitioner answers an
 * index not below the count.
 */
export function mintSoloExecutionId(
  lane: Omit<SoloPlacement, 'uuid'> & { readonly partitioner?: SoloPartitioner | undefined },
): ExecutionId {
  const { partitioner = laneSoloPartitioner, namespace, shards, count } = lane
  const uuid = mintUuid()
  const index = partitioner.partitionOf({ namespace, lane: lane.lane, uuid, shards, count })
  requirePartitionIndex(index, count)
  return makeExecutionId(index, uuid)
}
