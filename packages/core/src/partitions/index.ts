export { crc16, crc16Text } from './crc16.js'
export { mintExecutionIdInFlow, mintSoloExecutionId } from './mint-execution-id.js'
export { mintFlowIdIn } from './mint-flow-id.js'
export {
  comparePartitionConfigs,
  defaultPartitionConfig,
  PARTITION_COUNT_MAX,
  type PartitionConfig,
  readPartitionConfig,
  requirePartitionCount,
} from './partition-config.js'
export {
  partitionOfBudget,
  partitionOfExecution,
  partitionOfFlow,
  quotaKeyPartition,
  quotaPartition,
} from './partition-of.js'
export {
  isPartitionTag,
  makePartitionTag,
  PARTITION_INDEX_MAX,
  type Partition,
  type PartitionFamily,
  type PartitionTag,
  type PartitionTagFault,
  parsePartitionTag,
  partitionFamilies,
  partitionOfTag,
  partitionTagPrefixes,
  requirePartitionIndex,
} from './partition-tag.js'
export {
  laneSoloPartitioner,
  type SoloPartitioner,
  type SoloPlacement,
  soloPartition,
  soloPartitionsOfLane,
} from './solo-partitioner.js'
