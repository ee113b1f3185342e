import {
  createScheduleOperations,
  type ExecutionOperations,
  type FlowOperations,
  type ScheduleOperations,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createScheduleRecords } from './schedule-records.js'

export function createSchedules(
  ctx: PostgresContext,
  roles: { readonly executions: ExecutionOperations; readonly flows: FlowOperations },
): ScheduleOperations {
  return createScheduleOperations({
    ...roles,
    store: createScheduleRecords(ctx),
    partitions: () => ctx.partitions(),
    announce: (hint) => ctx.hints.emit(hint),
  })
}
