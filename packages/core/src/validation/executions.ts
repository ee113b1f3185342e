import {
  type CancelExecution,
  type ChangePriority,
  type CountExecutions,
  countGroupings,
  type ExecutionFilter,
  type GetExecution,
  type GetResults,
  type HoldExecution,
  type ListExecutions,
  type ReplayExecution,
  type SetTags,
  type SubmitExecutions,
} from '../contract/executions.js'
import type { EngineError } from '../errors/engine-error.js'
import { parseFlowId } from '../ids/index.js'
import { limits } from '../limits.js'
import { isTagKey, parseKind, parseLaneId, parseTagKey } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { publicStates } from '../state/public-state.js'
import { checkNext } from './claim.js'
import { checkEach } from './each.js'
import {
  checkExecutionSpec,
  checkIdempotency,
  checkParent,
  checkPriority,
  checkTags,
} from './execution-spec.js'
import {
  checkBatch,
  checkList,
  checkObject,
  checkOptionalInteger,
  checkOptionalWord,
  checkPayload,
  checkReason,
  checkWord,
  invalidParam,
} from './fields.js'
import { checkExecutionId, checkPageRequest, checkScoped } from './scope.js'

/** The error of each item, `undefined` for a good one. Throws what concerns the whole call. */
export function checkSubmitExecutions(
  params: SubmitExecutions,
  counts: PartitionConfig,
): readonly (EngineError | undefined)[] {
  checkScoped(params)
  checkNext(params.next)
  checkBatch(params.items, 'items', limits.submitBatchMax)
  return checkEach(params.items, (item) => {
    checkExecutionSpec(item, counts)
    checkIdempotency(item)
    checkParent(item.parent, counts)
    if (item.parent?.id === item.id) throw invalidParam('parent', 'must be another execution')
  })
}

/** For `get`, `explainFacts` and `release`. */
export function checkGetExecution(params: GetExecution, counts: PartitionConfig): void {
  checkScoped(params)
  checkExecutionId(params.id, counts)
}

/** The error of each id, `undefined` for a good one. */
export function checkGetResults(
  params: GetResults,
  counts: PartitionConfig,
): readonly (EngineError | undefined)[] {
  checkScoped(params)
  checkBatch(params.ids, 'ids', limits.resultBatchMax)
  return checkEach(params.ids, (id) => {
    checkExecutionId(id, counts)
  })
}

export function checkListExecutions(params: ListExecutions): void {
  checkScoped(params)
  checkPageRequest(params)
  if (params.filter !== undefined) checkExecutionFilter(params.filter)
}

export function checkCountExecutions(params: CountExecutions): void {
  checkScoped(params)
  if (params.filter !== undefined) checkExecutionFilter(params.filter)
  checkOptionalWord(params.by, 'by', countGroupings)
}

export function checkCancelExecution(params: CancelExecution, counts: PartitionConfig): void {
  checkGetExecution(params, counts)
  checkReason(params.reason)
  checkOptionalInteger(params.graceMs, 'graceMs', 0, limits.cancelGraceMsMax)
}

export function checkReplayExecution(params: ReplayExecution, counts: PartitionConfig): void {
  checkGetExecution(params, counts)
  checkReason(params.reason)
  if (params.input !== undefined) checkPayload(params.input, 'input')
}

export function checkHoldExecution(params: HoldExecution, counts: PartitionConfig): void {
  checkGetExecution(params, counts)
  checkReason(params.reason)
}

export function checkChangePriority(params: ChangePriority, counts: PartitionConfig): void {
  checkGetExecution(params, counts)
  checkPriority(params.priority)
}

/** Whether the execution's tags stay within their number can only be seen with them: `too_many_tags` is the store's too. */
export function checkSetTags(params: SetTags, counts: PartitionConfig): void {
  checkGetExecution(params, counts)
  if (params.set !== undefined) checkTags(params.set, 'set')
  if (params.remove === undefined) return
  checkList(params.remove, 'remove', limits.tagsMax)
  for (const key of params.remove) parseTagKey(key)
}

export function checkExecutionFilter(filter: ExecutionFilter): void {
  checkObject(filter, 'filter')
  if (filter.lane !== undefined) parseLaneId(filter.lane)
  if (filter.kind !== undefined) parseKind(filter.kind)
  if (filter.flowId !== undefined) parseFlowId(filter.flowId)
  if (filter.states !== undefined) {
    checkList(filter.states, 'filter.states', limits.filterValuesMax)
    for (const state of filter.states) checkWord(state, 'filter.states', publicStates)
  }
  if (filter.tags !== undefined) checkTagFilter(filter.tags, 'filter.tags')
  checkTimeFilter(filter, 'filter.')
}

/** The times of a listing's filter. */
export function checkTimeFilter(
  times: Pick<ExecutionFilter, 'createdFromMs' | 'createdBeforeMs' | 'endedFromMs' | 'endedBeforeMs'>,
  path: string,
): void {
  for (const name of ['createdFromMs', 'createdBeforeMs', 'endedFromMs', 'endedBeforeMs'] as const)
    checkOptionalInteger(times[name], `${path}${name}`, 0, limits.timeMsMax)
}

/** As tags that are set, but the system's own may be looked for too. */
export function checkTagFilter(tags: Readonly<Record<string, string>>, path: string): void {
  checkObject(tags, path)
  checkTags(
    Object.fromEntries(Object.entries(tags).filter(([key]) => !isTagKey(key) || !key.startsWith('ff.'))),
  )
}
