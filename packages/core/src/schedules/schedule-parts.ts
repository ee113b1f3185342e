import { announceDue as announce, type DueAnnouncer } from '../due-records/announce-due.js'
import type { StoredSchedule } from './record.js'
import type { ScheduleStore } from './schedule-store.js'
import type { ScheduledRoles } from './scheduled-starter.js'

/** What the role is made of: a store of records, and the store's own executions and flows. */
export interface ScheduleParts extends ScheduledRoles, DueAnnouncer {
  readonly store: ScheduleStore
}

export function announceDue(
  parts: ScheduleParts,
  { namespace, scheduleId }: StoredSchedule,
  dueAtMs: number | null,
): Promise<void> {
  return announce(parts, { namespace, id: scheduleId }, dueAtMs)
}
