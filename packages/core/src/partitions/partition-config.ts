import { engineError } from '../errors/engine-error.js'
import { type PartitionFamily, partitionFamilies } from './partition-tag.js'

/**
 * How many partitions each family has. Fixed per deployment: stored at first boot, compared at every
 * later one (`partition_count_mismatch`).
 */
export type PartitionConfig = Readonly<Record<PartitionFamily, number>>

/** The counts to start with on one node; a large cluster chooses 256 flow partitions at first boot. */
export const defaultPartitionConfig: PartitionConfig = { flow: 32, budget: 8, quota: 8 }

/** The greatest count of a family, and the greatest number of shards of a lane. */
export const PARTITION_COUNT_MAX = 65_535

/** Fills in defaults and checks each count. Throws `invalid_partition_count`. */
export function readPartitionConfig(counts: Partial<PartitionConfig> = {}): PartitionConfig {
  const config = {
    flow: counts.flow ?? defaultPartitionConfig.flow,
    budget: counts.budget ?? defaultPartitionConfig.budget,
    quota: counts.quota ?? defaultPartitionConfig.quota,
  }
  for (const family of partitionFamilies) requirePartitionCount(config[family], family)
  return config
}

/** Throws `partition_count_mismatch`, naming both values, unless the configured counts are the stored ones. */
export function comparePartitionConfigs(stored: PartitionConfig, configured: PartitionConfig): void {
  for (const family of partitionFamilies) {
    if (stored[family] === configured[family]) continue
    throw engineError(
      'partition_count_mismatch',
      `The store was created with ${stored[family]} partitions of family ${family}, ` +
        `the configuration says ${configured[family]}`,
      { family, stored: stored[family], configured: configured[family] },
    )
  }
}

/** Throws `invalid_partition_count` unless the count (or number of shards) is a whole number of 1…65535. */
export function requirePartitionCount(count: number, name: string): void {
  if (Number.isInteger(count) && count >= 1 && count <= PARTITION_COUNT_MAX) return
  throw engineError('invalid_partition_count', `Count ${name} is ${count}, not a whole number of 1…65535`, {
    name,
    value: count,
  })
}
