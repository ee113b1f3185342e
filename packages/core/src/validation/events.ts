import { eventTypes, type ReadEvents } from '../contract/events.js'
import { parseFlowId } from '../ids/index.js'
import { limits } from '../limits.js'
import { parseLaneId } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { checkList, checkObject, checkOptionalInteger, checkOptionalWord, checkWord } from './fields.js'
import { checkCursor, checkExecutionId, checkScoped } from './scope.js'

export function checkReadEvents(params: ReadEvents, counts: PartitionConfig): void {
  checkScoped(params)
  if (params.cursor !== undefined) checkCursor(params.cursor)
  checkOptionalWord(params.from, 'from', ['oldest', 'now'])
  checkOptionalInteger(params.limit, 'limit', 1, limits.feedReadMax)
  checkOptionalInteger(params.waitMs, 'waitMs', 0, limits.waitMsMax)
  const { filter } = params
  if (filter === undefined) return
  checkObject(filter, 'filter')
  if (filter.executionId !== undefined) checkExecutionId(filter.executionId, counts)
  if (filter.flowId !== undefined) parseFlowId(filter.flowId)
  if (filter.lane !== undefined) parseLaneId(filter.lane)
  if (filter.types === undefined) return
  checkList(filter.types, 'filter.types', limits.filterValuesMax)
  for (const type of filter.types) checkWord(type, 'filter.types', eventTypes)
}
