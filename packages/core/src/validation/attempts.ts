import type {
  ListAttempts,
  LoadSteps,
  LoadUpstream,
  RecordProgress,
  RecordSteps,
} from '../contract/attempts.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { checkOptionalText, checkPayload, checkWord, invalidParam } from './fields.js'
import { type CheckedHandle, checkHandles } from './leases.js'
import { checkExecutionId, checkPageRequest, checkScoped } from './scope.js'

/** For `list`, `loadSteps` and `loadUpstream`. */
export function checkAttemptPage(
  params: ListAttempts | LoadSteps | LoadUpstream,
  counts: PartitionConfig,
): void {
  checkScoped(params)
  checkExecutionId(params.executionId, counts)
  checkPageRequest(params)
}

export function checkRecordProgress(params: RecordProgress): readonly CheckedHandle[] {
  return checkHandles(params, limits.progressBatchMax, (item) => {
    const { percent } = item
    if (typeof percent !== 'number' || !(percent >= 0 && percent <= 100)) {
      throw invalidParam('percent', 'must be a number of 0…100')
    }
    checkOptionalText(item.message, 'message', limits.progressMessageBytesMax)
  })
}

export function checkRecordSteps(params: RecordSteps): readonly CheckedHandle[] {
  return checkHandles(params, limits.stepBatchMax, (item) => {
    requireFreeName(item.name, 'step')
    checkWord(item.type, 'type', STEP_TYPES)
    checkPayload(item.result, 'result')
  })
}

const STEP_TYPES = [
  'step',
  'sleep',
  'spawn',
  'submit',
  'call',
  'suspend',
] as const satisfies readonly RecordSteps['items'][number]['type'][]
