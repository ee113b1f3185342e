import { readUuidBytes } from '../ids/uuid.js'
import { crc16, crc16Text } from './crc16.js'
import { requirePartitionCount } from './partition-config.js'

/** What the partition of a solo execution is decided from. */
export interface SoloPlacement {
  readonly namespace: string
  readonly lane: string
  /** The UUID of the execution that is being minted. */
  readonly uuid: string
  /** The lane's number of shards, 1…65535. One shard keeps the lane's order, more give up order for scale. */
  readonly shards: number
  /** The deployment's count of flow partitions. */
  readonly count: number
}

/**
 * Chooses the partitions of solo executions. It must be deterministic, and its answers below the count.
 * It may be replaced at any time, since an id keeps the partition that it was minted with.
 */
export interface SoloPartitioner {
  partitionOf(placement: SoloPlacement): number
}

/**
 * (CRC16(`namespace/lane`) + CRC16(uuid bytes) mod shards) mod count: a lane's shards are neighbouring
 * partitions, from one that its name decides.
 */
export function soloPartition({ namespace, lane, uuid, shards, count }: SoloPlacement): number {
  requirePartitionCount(shards, 'shards')
  requirePartitionCount(count, 'flow')
  const shard = shards === 1 ? 0 : crc16(readUuidBytes(uuid)) % shards
  return (crc16Text(`${namespace}/${lane}`) + shard) % count
}

/** All partitions, ascending, in which the default partitioner places a lane's solo executions. */
export function soloPartitionsOfLane(lane: Omit<SoloPlacement, 'uuid'>): readonly number[] {
  requirePartitionCount(lane.shards, 'shards')
  requirePartitionCount(lane.count, 'flow')
  const start = crc16Text(`${lane.namespace}/${lane.lane}`)
  const size = Math.min(lane.shards, lane.count)
  return Array.from({ length: size }, (_, shard) => (start + shard) % lane.count).sort((a, b) => a - b)
}

/** The partitioner that is used unless another one is given. */
export const laneSoloPartitioner: SoloPartitioner = { partitionOf: soloPartition }
