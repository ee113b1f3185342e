export { createScheduleOperations } from './schedule-operations.js'
export type { ScheduleParts } from './schedule-parts.js'
export type {
  FullScheduleRow,
  SchedulePlace,
  ScheduleRow,
  ScheduleStore,
  ScheduleWrite,
} from './schedule-store.js'
export { readPlace, writePlace } from './schedule-views.js'
export { homeOf, type ScheduleName, tickId, triggerId } from './scheduled-ids.js'
export { executionOfTick, flowOfTick, scheduleTagKeys } from './scheduled-work.js'
export { jitterOf, nextTickOf, ticksOf } from './ticks.js'
