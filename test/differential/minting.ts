import {
  type ExecutionId,
  type FlowId,
  type LaneId,
  makeExecutionId,
  type Namespace,
  partitionOfFlow,
  soloPartition,
} from '@flowfabric/core'

/** Where the ids of a run come from: the same run mints the same ones when it begins from the same seed. */
export interface Minting {
  readonly uuid: () => string
  /** The stores' count of flow partitions. */
  readonly count: number
}

export function mintSolo({ uuid, count }: Minting, namespace: Namespace, lane: LaneId): ExecutionId {
  const fresh = uuid()
  return makeExecutionId(soloPartition({ namespace, lane, uuid: fresh, shards: 1, count }), fresh)
}

export function mintMember({ uuid, count }: Minting, flowId: FlowId): ExecutionId {
  return makeExecutionId(partitionOfFlow(flowId, count), uuid())
}

/** In the first partition, or in one that no store has. */
export function mintUnknown({ uuid }: Minting, partition = 0): ExecutionId {
  return makeExecutionId(partition, uuid())
}
