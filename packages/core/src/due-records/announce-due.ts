import type { Hint } from '../contract/events.js'
import { makePartitionTag, type PartitionConfig, quotaPartition } from '../partitions/index.js'
import type { DueName } from './due-records.js'

export interface DueAnnouncer {
  partitions(): Promise<PartitionConfig>
  /** Tells this process, and others where that is possible, that a record may be due earlier. */
  announce(hint: Hint): void
}

export async function announceDue(
  parts: DueAnnouncer,
  { namespace, id }: DueName,
  dueAtMs: number | null,
): Promise<void> {
  if (dueAtMs === null) return
  const { quota } = await parts.partitions()
  const partition = makePartitionTag('quota', quotaPartition(namespace, id, quota))
  parts.announce({ type: 'due', partition, dueAtMs })
}
