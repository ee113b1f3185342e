import { type FoundationBackend, limits, type PartitionTag } from '@flowfabric/core'

/**
 * Lets the retention of what has ended pass, and that of the feed, and removes it, as the scanners would: a test that plays
 * thousands of graphs in one store would else take longer with each.
 */
export async function cleanUp(
  { maintenance }: FoundationBackend,
  partitions: readonly PartitionTag[],
): Promise<void> {
  await maintenance.advanceTime({ byMs: Math.max(limits.feedAgeMsMax, 2 * limits.retentionMsDefault) })
  for (const partition of partitions) {
    for (let more = true; more; ) more = (await maintenance.trimRetention({ partition, max: 500 })).more
    await maintenance.upkeep({ partition, max: 500 })
  }
}
