import {
  type ExecutionId,
  type FlowId,
  laneSoloPartitioner,
  makePartitionTag,
  mintExecutionIdInFlow,
  mintFlowId,
  mintSoloExecutionId,
  type Partition,
  type PartitionConfig,
  type PartitionedId,
  type PartitionFamily,
  type PartitionTag,
  partitionOfExecution,
  partitionOfFlow,
  readPartitionConfig,
  requirePartitionIndex,
  type SoloPartitioner,
} from '@flowfabric/core'
import { ExecutionKeys, PartitionIndexKeys } from '@flowfabric/core/keys'

/** The arithmetic of partitions, bound to a deployment's counts and solo partitioner: the one place that knows them. */
export interface PartitionRouter {
  readonly config: PartitionConfig
  countOf(family: PartitionFamily): number
  /** Every partition of a family, by its tag. */
  tagsOf(family: PartitionFamily): readonly PartitionTag[]
  /** Where an execution (waitpoint, outbox entry, …) lives: its id says it, no count is used. */
  partitionFor(id: PartitionedId): Partition
  /** Where a flow and all its members live. */
  partitionForFlow(flowId: FlowId): Partition
  executionKeys(id: ExecutionId): ExecutionKeys
  /** Throws `partition_out_of_range` for an index that is not below the count: no scanner would look there. */
  indexKeys(partitionIndex: number): PartitionIndexKeys
  mintFlowId(): FlowId
  /** The id of a new member of a flow. */
  mintMemberId(flowId: FlowId): ExecutionId
  /** The id of a new solo execution. `shards` is the lane's setting. */
  mintSoloId(lane: {
    readonly namespace: string
    readonly lane: string
    readonly shards?: number
  }): ExecutionId
}

export function createPartitionRouter(
  counts?: Partial<PartitionConfig>,
  partitioner: SoloPartitioner = laneSoloPartitioner,
): PartitionRouter {
  const config = readPartitionConfig(counts)
  return {
    config,
    countOf: (family) => config[family],
    tagsOf: (family) => Array.from({ length: config[family] }, (_, index) => makePartitionTag(family, index)),
    partitionFor: partitionOfExecution,
    partitionForFlow: (flowId) => ({ family: 'flow', index: partitionOfFlow(flowId, config.flow) }),
    executionKeys: (id) => new ExecutionKeys(id),
    indexKeys(partitionIndex) {
      requirePartitionIndex(partitionIndex, config.flow)
      return new PartitionIndexKeys(partitionIndex)
    },
    mintFlowId,
    mintMemberId: (flowId) => mintExecutionIdInFlow(flowId, config.flow),
    mintSoloId: ({ namespace, lane, shards = 1 }) =>
      mintSoloExecutionId({ namespace, lane, shards, count: config.flow, partitioner }),
  }
}
