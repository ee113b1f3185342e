import type { Hint } from '../contract/events.js'
import { makePartitionTag, quotaPartition } from '../partitions/index.js'
import type { StoredSchedule } from './record.js'
import type { ScheduleStore } from './schedule-store.js'
import type { ScheduledRoles } from './scheduled-starter.js'

/** What the role is made of: a store of records, and the store's own executions and flows. */
export interface ScheduleParts extends ScheduledRoles {
  readonly store: ScheduleStore
  /** Tells this process, and others where that is possible, that a schedule may be due earlier. */
  announce(hint: Hint): void
}

export async function announceDue(
  parts: ScheduleParts,
  { namespace, scheduleId }: StoredSchedule,
  dueAtMs: number | null,
): Promise<void> {
  if (dueAtMs === null) return
  const { quota } = await parts.partitions()
  const partition = makePartitionTag('quota', quotaPartition(namespace, scheduleId, quota))
  parts.announce({ type: 'due', partition, dueAtMs })
}
